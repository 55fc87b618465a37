# CITE on PatchGastric: CLIP ViT-B/16, one prompt, BioLinkBERT-large.
_base_ = [
    '../_base_/runtime.py',
    '../_base_/protocols/fixed.py',
    '../_base_/models/cite.py',
    '../_base_/schedules/sgd_1000.py',
]

model = dict(head=dict(texts={{_base_.classes}}))
optim_wrapper = dict(optimizer=dict(lr=0.03))
