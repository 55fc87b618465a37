# Locked-image tuning (LiT, Zhai et al., CVPR 2022): a frozen vision model, and a text encoder that learns
# to speak of what it sees. Pairs come from a manifest with the columns file, caption, slide, split.
_base_ = ['../_base_/contrast.py']

data_root = 'data/pairs'
model = dict(
    type='CitePair',
    vision=dict(model='dinov2-vit-b14', tuning='NoTuning'),
    text=dict(model='biolinkbert-base', tuning='FullFineTuning'),
    dim=512,
    chunk=64,
    truncate=True,
)
train_dataloader = dict(
    batch_size=512,
    num_workers=8,
    dataset=dict(
        type='PairDataset',
        ann_file='pairs.csv',
        split='train',
        pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')],
    ),
)
val_dataloader = dict(
    batch_size=256,
    num_workers=8,
    dataset=dict(type='PairDataset', ann_file='pairs.csv', split='val'),
)
optim_wrapper = dict(
    optimizer=dict(lr=5e-5),
    # the projections are new, the text tower is not
    paramwise_cfg=dict(custom_keys={'_projection': dict(lr_mult=20)}),
)
