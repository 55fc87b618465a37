# A linear classifier that starts as the zero-shot one, on PatchGastric.
# Its weights are of the size of the logit scale (100), so small rates would not move it.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/text_linear.py',
    '../_base_/schedules/adamw_300.py',
]

model = dict(head=dict(texts={{_base_.classes}}))
optim_wrapper = dict(optimizer=dict(lr=1e-1))
