# CITE without the visual prompt: the projection alone brings image features to the anchors.
_base_ = 'cite.py'
model = dict(backbone=dict(tuning=None))
