# Full fine-tuning under a linear head.
_base_ = 'linear.py'
model = dict(backbone=dict(tuning=dict(type='FullFineTuning')))
