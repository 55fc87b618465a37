# CoOp (Zhou et al., IJCV 2022): learned vectors in front of the class names, both towers frozen.
# The names are the classes' own; head.init='a histopathology image of' starts from words.
model = dict(
    type='CiteClassifier',
    backbone=dict(type='VisionTower', model='clip-vit-b16'),
    head=dict(type='CoOpHead', text_encoder=dict(type='TextEncoder')),
)
