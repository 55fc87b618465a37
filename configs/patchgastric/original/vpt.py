# Visual prompt tuning as published: every patch once per epoch.
_base_ = 'linear.py'
model = dict(backbone=dict(tuning=dict(type='OriginalVisualPrompt', length=1, init='normal')))
