# CITE as published: CLIP ViT-B/16, one prompt, BioLinkBERT-large. In single precision, as on a CPU.
_base_ = [
    '../../_base_/runtime.py',
    '../../_base_/protocols/original.py',
    '../../_base_/models/cite.py',
    '../../_base_/schedules/sgd_1000.py',
]

model = dict(
    precision='fp32',
    backbone=dict(
        mean={{_base_.imagenet_mean}},
        std={{_base_.imagenet_std}},
        tuning=dict(type='OriginalVisualPrompt'),
    ),
    head=dict(texts={{_base_.texts}}),
)
train_dataloader = dict(batch_size=64)  # on each of two GPUs
optim_wrapper = dict(optimizer=dict(lr=0.03))
