# Zero-shot CLIP as published: `cite test patchgastric/original/zero_shot`.
_base_ = [
    '../../_base_/runtime.py',
    '../../_base_/protocols/original.py',
    '../../_base_/models/zero_shot.py',
    '../../_base_/schedules/sgd_1000.py',
]

model = dict(
    precision='fp32',
    backbone=dict(mean={{_base_.imagenet_mean}}, std={{_base_.imagenet_std}}),
    head=dict(texts={{_base_.texts}}),
)
train_cfg = None
train_dataloader = None
optim_wrapper = None
param_scheduler = None
