# What every config for image–caption pairs shares: the runner, recall@k on held-out pairs, logging.
_base_ = ['./runtime.py']
runner_type = 'ContrastRunner'

train_cfg = dict(max_iters=1000, val_interval=200)
val_cfg = dict()
test_cfg = dict()
optim_wrapper = dict(
    optimizer=dict(type='AdamW', lr=1e-3, betas=(0.9, 0.98), weight_decay=0.05),
    clip_grad=dict(max_norm=1.0),
    # norms, biases, and the scale and bias of the loss are left undecayed
    paramwise_cfg=dict(decay_vectors=False),
)
param_scheduler = [
    dict(type='LinearLR', start_factor=0.01, by_epoch=False, begin=0, end=50),
    dict(type='CosineAnnealingLR', by_epoch=False, begin=50),
]
