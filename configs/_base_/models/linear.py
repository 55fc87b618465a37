# Linear probe: a trained linear layer on frozen features.
model = dict(
    type='CiteClassifier',
    backbone=dict(type='VisionTower', model='clip-vit-b16'),
    head=dict(type='LinearHead'),
)
