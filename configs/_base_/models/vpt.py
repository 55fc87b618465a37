# Visual prompt tuning (Jia et al., ECCV 2022) under a linear head.
_base_ = 'linear.py'
model = dict(backbone=dict(tuning=dict(type='VisualPrompt')))
