# CITE as published, in the pure float16 of its GPUs: no master weights, no loss scaling. Needs a GPU.
_base_ = 'cite.py'
model = dict(
    precision='fp16',
    backbone=dict(tuning=dict(half=True)),
    neck=dict(type='HalfProjectionNeck'),
    head=dict(type='HalfTextEmbeddingHead'),
)
optim_wrapper = dict(loss_scaling=False)
