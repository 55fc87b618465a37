# Tip-Adapter-F (Zhang et al., ECCV 2022): the same, and the features of the training patches train.
_base_ = 'tip_adapter.py'
model = dict(head=dict(trains=True))
