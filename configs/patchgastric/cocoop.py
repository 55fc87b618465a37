# CoCoOp on PatchGastric, with the rate of its authors (SGD). Every image has class texts of its own:
# batch × classes texts in a step.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/cocoop.py',
    '../_base_/schedules/sgd_1000.py',
]
optim_wrapper = dict(optimizer=dict(lr=0.002))
