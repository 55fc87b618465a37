# SigLIP's loss on WebDataset shards, a prompt in the vision tower, the text tower locked.
_base_ = ['../_base_/contrast.py']

data_root = 'data/pairs'
model = dict(
    type='CitePair',
    vision=dict(
        model='clip-vit-b16',
        tuning=dict(type='VisualPrompt', length=8, layers='deep', init='normal'),
    ),
    text=dict(model='biolinkbert-base', tuning='NoTuning'),
    dim=512,
    loss='siglip',
    truncate=True,
)
train_dataloader = dict(
    batch_size=256,
    num_workers=8,
    dataset=dict(
        type='PairShards',
        shards='train-*.tar',
        pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')],
    ),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=8,
    dataset=dict(type='PairDataset', ann_file='val.csv'),
)
optim_wrapper = dict(optimizer=dict(lr=1e-3))
