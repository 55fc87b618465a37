# Zero-shot CLIP on PatchGastric: `cite test configs/patchgastric/zero_shot.py`.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/zero_shot.py',
    '../_base_/schedules/sgd_1000.py',
]

model = dict(head=dict(texts={{_base_.classes}}))
train_cfg = None
train_dataloader = None
optim_wrapper = None
param_scheduler = None
