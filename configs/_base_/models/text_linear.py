# A linear classifier that starts as the zero-shot one (as in WiSE-FT, Wortsman et al., CVPR 2022).
_base_ = 'zero_shot.py'
model = dict(head=dict(type='TextLinearHead'))
