# Synthetic tissue in PatchGastric's layout, made by `make quickstart` in a minute.
classes = [
    'well differentiated tubular adenocarcinoma',
    'moderately differentiated tubular adenocarcinoma',
    'poorly differentiated adenocarcinoma',
]
data_root = 'data/quickstart'
patch_size = 300
mpp = 0.75  # as it is drawn: slides are cut at that resolution (cite slide)

train_dataloader = dict(
    batch_size=32,
    num_workers=2,
    sampler=dict(type='PatchSampler', balance='slide'),
    dataset=dict(
        type='PatchDataset',
        ann_file='splits/train_8.csv',
        classes=classes,
        pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')],
    ),
)
val_dataloader = None
test_dataloader = dict(
    batch_size=64,
    num_workers=2,
    dataset=dict(type='PatchDataset', ann_file='splits/val.csv', classes=classes),
)
