# Text anchors without a visual prompt, on LC25000 lung.
_base_ = 'cite.py'
model = dict(backbone=dict(tuning=None))
