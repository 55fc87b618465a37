# Zero-shot: the pair's own text tower names the classes. Nothing trains: `cite test CONFIG`.
model = dict(
    type='CiteClassifier',
    backbone=dict(type='VisionTower', model='clip-vit-b16'),
    head=dict(type='ZeroShotHead', texts=[], text_encoder=dict(type='TextEncoder')),
)
