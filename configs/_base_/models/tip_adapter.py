# Tip-Adapter (Zhang et al., ECCV 2022): zero-shot, helped by features of training patches. Nothing trains:
# `cite train CONFIG` reads every training patch once.
_base_ = 'zero_shot.py'
model = dict(head=dict(type='TipAdapterHead'))
