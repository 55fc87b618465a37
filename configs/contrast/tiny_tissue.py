# How tiny-tissue was trained: a vision and a text transformer, both from nothing, on drawn tissue.
# tools/tiny_tissue.py draws the data, makes the vocabulary, runs this and packs the result.
_base_ = ['../_base_/contrast.py']

data_root = 'work_dirs/tiny-tissue'
model = dict(
    type='CitePair',
    vision=dict(model='tiny-tissue', pretrained=False, tuning='FullFineTuning'),
    text=dict(
        model='work_dirs/tiny-tissue/text',
        pretrained=False,
        pooling='mean',
        tuning='FullFineTuning',
    ),
    loss='clip',
)
train_dataloader = dict(
    batch_size=64,
    num_workers=1,
    dataset=dict(
        type='PairDataset',
        ann_file='pairs/pairs.csv',
        data_prefix='pairs',
        sentences='sample',
        pipeline=[
            dict(type='CropPatch', share=(0.7, 1.0)),
            dict(type='ResizePatch'),
            dict(type='AugmentPatch'),
        ],
    ),
)
val_dataloader = dict(
    batch_size=96,
    num_workers=1,
    dataset=dict(type='PairDataset', ann_file='held_out/pairs.csv', data_prefix='held_out'),
)
train_cfg = dict(max_iters=2600, val_interval=650)
optim_wrapper = dict(
    optimizer=dict(lr=8e-4, weight_decay=0.05),
    # at first the images say nothing; texts that follow them as fast would all become one
    paramwise_cfg=dict(
        decay_vectors=True,
        custom_keys={'pair.text.': dict(lr_mult=0.3), 'log_scale': dict(decay_mult=0.0)},
    ),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=100),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=100, T_max=2500),
]
default_hooks = dict(checkpoint=dict(interval=200))
