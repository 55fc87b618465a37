# Tip-Adapter on PatchGastric: nothing trains.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/tip_adapter.py',
    '../_base_/schedules/adamw_300.py',
]

model = dict(head=dict(texts={{_base_.classes}}))
