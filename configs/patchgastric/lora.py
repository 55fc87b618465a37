# LoRA under a linear head on PatchGastric.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/linear.py',
    '../_base_/schedules/adamw_300.py',
]

model = dict(backbone=dict(tuning=dict(type='LoRA')))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
