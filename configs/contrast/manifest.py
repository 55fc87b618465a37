# A published pair goes on learning from the pairs of two manifests, with the columns file, caption and,
# better, slide. `cite contrast --pairs train.csv` takes this config, and its flags change it.
_base_ = ['../_base_/contrast.py']

data_root = '.'
model = dict(
    type='CitePair',
    vision=dict(model='plip', tuning=dict(type='LoRA', r=8)),
    text=dict(type='TextEncoder', tuning=dict(type='LoRA', r=8)),
    scale='own',
    chunk=32,
    truncate=True,
)
train_dataloader = dict(
    batch_size=256,
    dataset=dict(
        type='PairDataset',
        ann_file='train.csv',
        pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')],
    ),
)
val_dataloader = dict(batch_size=64, dataset=dict(type='PairDataset', ann_file='val.csv'))
train_cfg = dict(max_iters=500)
optim_wrapper = dict(optimizer=dict(lr=1e-4))
