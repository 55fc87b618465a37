# LC25000 lung (Borkowski et al. 2019): adenocarcinoma, benign, squamous cell carcinoma.
# Expects `manifest.csv` with the columns file, label, stain_cluster, split; a stain cluster stands for
# a slide. Every tile of LC25000 has rotated copies: a split by image leaks, a split by cluster does not.
# `--cfg-options data_root=…` names another place.
classes = ['lung_aca', 'lung_n', 'lung_scc']
data_root = 'data/lc25000_lung'

train_dataloader = dict(
    batch_size=64,
    num_workers=2,
    sampler=dict(type='PatchSampler', balance='class'),
    dataset=dict(
        type='PatchDataset',
        ann_file='manifest.csv',
        columns=dict(slide='stain_cluster'),
        split='train',
        classes=classes,
        pipeline=[dict(type='ResizePatch'), dict(type='AugmentPatch')],
    ),
)
val_dataloader = None
test_dataloader = dict(
    batch_size=64,
    num_workers=2,
    dataset=dict(
        type='PatchDataset',
        ann_file='manifest.csv',
        columns=dict(slide='stain_cluster'),
        split='val',
        classes=classes,
    ),
)
