"""The MoCo v3 model of TransPath. Its ViT-S has 12 heads; timm's has 6, which no shape reveals."""

from __future__ import annotations

from cite.encoders.card import IMAGENET, Card, Source

CARDS = (
    Card(
        name='transpath-mocov3-s16',
        arch='vit_small_patch16_224',
        feature='token',
        feature_dim=384,
        patch_size=16,
        image_size=224,
        **IMAGENET,
        licence='GPL-3.0, non-commercial academic use',
        citation='Wang et al., Med Image Anal 2022',
        source=Source(
            None,
            ('vit_small.pth.tar',),
            how='download vit_small.pth.tar (MoCo v3) from the Google Drive that '
            'https://github.com/Xiyue-Wang/TransPath links to',
        ),
        arch_kwargs={'num_classes': 0, 'num_heads': 12},
        interpolation='bilinear',
        domain='pathology',
        leftovers=('head.*',),
    ),
)
