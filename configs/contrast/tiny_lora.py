# tiny-tissue learns from drawn patches of stains and mixes that it has not seen; see docs/contrast.md.
_base_ = ['../_base_/contrast.py']

data_root = 'data'
model = dict(
    type='CitePair',
    vision=dict(model='tiny-tissue', tuning=dict(type='LoRA', r=8)),
    text=dict(model='tiny-tissue', tuning=dict(type='LoRA', r=8)),
    scale=20,
)
train_dataloader = dict(
    batch_size=64,
    dataset=dict(
        type='PairDataset',
        ann_file='pairs/pairs.csv',
        data_prefix='pairs',
        sentences='sample',
        pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')],
    ),
)
val_dataloader = dict(
    batch_size=64,
    dataset=dict(type='PairDataset', ann_file='pairs_val/pairs.csv', data_prefix='pairs_val'),
)
test_dataloader = val_dataloader
train_cfg = dict(max_iters=60, val_interval=30)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=10),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=10),
]
