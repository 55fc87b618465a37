# PatchGastric as the published CITE code runs it, its defects included, to compare with its figures.
# Needs the published split: `cite prepare patchgastric ROOT --protocol original`.
# docs/protocols.md tells it apart from fixed.py.
_base_ = '../datasets/patchgastric.py'

texts = [
    'Well differentiated tubular adenocarcinoma',
    'Moderately differentiated tubular adenocarcinoma',
    'Poorly differentiated adenocarcinoma',
]
# a normalisation that CLIP was not trained with; configs give these to the backbone
imagenet_mean = (0.485, 0.456, 0.406)
imagenet_std = (0.229, 0.224, 0.225)

pipeline = [
    dict(type='ResizePatch', how='squash', interpolation='bilinear'),
    dict(type='OriginalAugment'),
]
train_dataloader = dict(
    # 12 workers, each with a copy of the sampler: every batch comes 12 times
    sampler=dict(_delete_=True, type='OriginalSampler', balance='patch', workers=12),
    dataset=dict(
        ann_file='gastric_cls3_ann/train_all_0.2.txt',
        data_prefix='patches_captions',
        keep_order=True,
        pipeline=pipeline,
        views=None,  # every draw is augmented afresh, whatever trains
    ),
)
val_dataloader = None
test_dataloader = dict(
    # augmented like the training patches
    dataset=dict(
        ann_file='gastric_cls3_ann/val_0.8.txt',
        data_prefix='patches_captions',
        keep_order=True,
        pipeline=pipeline,
    ),
)
test_evaluator = [dict(type='PatchSlideMetric'), dict(type='OriginalMetric')]
select_on_test = True
