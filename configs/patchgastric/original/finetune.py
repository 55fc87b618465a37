# Full fine-tuning as published: every patch once per epoch.
_base_ = [
    '../../_base_/runtime.py',
    '../../_base_/protocols/original.py',
    '../../_base_/models/finetune.py',
    '../../_base_/schedules/sgd_1000.py',
]

model = dict(
    precision='fp32',
    backbone=dict(
        mean={{_base_.imagenet_mean}},
        std={{_base_.imagenet_std}},
    ),
)
train_dataloader = dict(sampler=dict(_delete_=True, type='PatchSampler', balance='none'))
optim_wrapper = dict(optimizer=dict(lr=1e-5))
