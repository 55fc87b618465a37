# CITE (Zhang et al., MICCAI 2023): one visual prompt, a projection, anchors from a text encoder.
model = dict(
    type='CiteClassifier',
    backbone=dict(
        type='VisionTower',
        model='clip-vit-b16',
        tuning=dict(type='VisualPrompt'),  # options go unsaid: another type takes its place alone
    ),
    neck=dict(type='ProjectionNeck', init='normal_identity'),
    head=dict(
        type='TextEmbeddingHead',
        texts=[],
        temperature=4.6052,
        text_encoder=dict(
            type='TextEncoder', model='michiyasunaga/BioLinkBERT-large', pooling='auto'
        ),
    ),
)
