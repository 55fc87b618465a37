# CLIP-Adapter (Gao et al., IJCV 2024): zero-shot behind a small trained network on the image feature.
_base_ = 'zero_shot.py'
model = dict(head=dict(type='CLIPAdapterHead'))
