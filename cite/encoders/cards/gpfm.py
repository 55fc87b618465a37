"""GPFM: its file on the hub has timm's names, the one on GitHub is a training run's; both load."""

from __future__ import annotations

from cite.encoders.card import IMAGENET, Card, Source

CARDS = (
    Card(
        name='gpfm',
        arch='vit_large_patch14_dinov2',
        feature='token',
        feature_dim=1024,
        patch_size=14,
        image_size=224,
        **IMAGENET,
        licence='CC-BY-NC-ND-4.0',
        citation='Ma et al., arXiv:2407.18449',
        source=Source('majiabo/GPFM', ('GPFM.pth',)),
        arch_kwargs={'num_classes': 0},
        resize='squash',
        domain='pathology',
        pos_interp='dino',
        leftovers=('mask_token', 'dino_head.*', 'ibot_head.*'),
    ),
)
