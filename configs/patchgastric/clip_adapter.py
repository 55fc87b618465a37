# CLIP-Adapter on PatchGastric.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/clip_adapter.py',
    '../_base_/schedules/adamw_300.py',
]

model = dict(head=dict(texts={{_base_.classes}}))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
