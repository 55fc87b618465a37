# PatchGastric: 3 grades of gastric adenocarcinoma, patches of 300 × 300, few-shot by slide.
# `cite prepare patchgastric` writes the manifests; k is 1, 2, 4, 8, 16 or all slides per class:
#   --cfg-options train_dataloader.dataset.ann_file=splits/train_4.csv
classes = [
    'well differentiated tubular adenocarcinoma',
    'moderately differentiated tubular adenocarcinoma',
    'poorly differentiated adenocarcinoma',
]
data_root = 'data/patchgastric'
patch_size = 300

train_dataloader = dict(
    batch_size=128,
    num_workers=8,
    sampler=dict(type='PatchSampler', balance='class'),
    dataset=dict(
        type='PatchDataset',
        ann_file='splits/train_16.csv',
        classes=classes,
        pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')],
    ),
)
val_dataloader = None  # model selection on the evaluation slides would be cheating
test_dataloader = dict(
    batch_size=128,
    num_workers=8,
    dataset=dict(type='PatchDataset', ann_file='splits/val.csv', classes=classes),
)
