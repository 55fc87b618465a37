# Full fine-tuning as published: every patch once per epoch.
_base_ = 'linear.py'
model = dict(backbone=dict(tuning=dict(type='FullFineTuning')))
optim_wrapper = dict(optimizer=dict(lr=1e-5))
