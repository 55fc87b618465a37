# Text anchors without a visual prompt, on PatchGastric.
_base_ = 'cite.py'
model = dict(backbone=dict(tuning=None))
