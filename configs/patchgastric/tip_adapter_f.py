# Tip-Adapter-F on PatchGastric: the cached features train. The rate is the authors'.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/tip_adapter_f.py',
    '../_base_/schedules/adamw_300.py',
]

model = dict(head=dict(texts={{_base_.classes}}))
optim_wrapper = dict(optimizer=dict(lr=1e-3))
