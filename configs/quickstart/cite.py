# CITE in three minutes on two CPU cores. Both encoders are halves of tiny-tissue, which has seen drawn
# tissue only, and stand where a pathology model and a biomedical text encoder would stand. Swap them with
#   --cfg-options model.backbone.model=clip-vit-b16 model.head.text_encoder.model=biolinkbert-base
_base_ = [
    '../_base_/runtime.py',
    '../_base_/datasets/quickstart.py',
    '../_base_/models/cite.py',
]
model = dict(
    backbone=dict(model='tiny-tissue'),
    head=dict(texts={{_base_.classes}}, text_encoder=dict(model='tiny-tissue')),
)

train_cfg = dict(max_iters=120)
test_cfg = dict()
optim_wrapper = dict(optimizer=dict(type='AdamW', lr=3e-3, weight_decay=0.01))
param_scheduler = [dict(type='CosineAnnealingLR', by_epoch=False)]
default_hooks = dict(checkpoint=dict(interval=40))
