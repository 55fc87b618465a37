# Zero-shot CLIP on PatchGastric with several descriptions of each grade (cite/anchors/patchgastric.yaml).
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/zero_shot_ensemble.py',
    '../_base_/schedules/adamw_300.py',
]
train_cfg = None
train_dataloader = None
optim_wrapper = None
param_scheduler = None
