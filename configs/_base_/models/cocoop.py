# CoCoOp (Zhou et al., CVPR 2022): four learned vectors, shifted by each image; both towers frozen.
# The text tower runs on batch × classes sentences: head.texts_at_once bounds its memory.
_base_ = 'coop.py'
model = dict(head=dict(type='CoCoOpHead', length=4))
