"""InternImage (INTERN-2.5): convolutional backbones, T, S and B from ImageNet-1k, L from ImageNet-22k."""

from __future__ import annotations

from typing import Any

from cite.encoders.card import IMAGENET, Card, Source


def _internimage(
    size: str, data: str, image_size: int, channels: int, depths: tuple[int, ...], **arch: Any
) -> Card:
    return Card(
        name=f'internimage-{size}',
        arch='internimage',
        tower='InternImage',
        feature='pool',
        feature_dim=12 * channels,
        patch_size=32,
        image_size=image_size,
        **IMAGENET,
        licence='MIT',
        citation='Wang et al., CVPR 2023, arXiv:2211.05778',
        source=Source('OpenGVLab/InternImage', (f'internimage_{size}_{data}.pth',)),
        arch_kwargs={'channels': channels, 'depths': depths, **arch},
        leftovers=('head.*',),
        note=f'of ImageNet-{data.partition("_")[0]}',
    )


CARDS = (
    _internimage('t', '1k_224', 224, 64, (4, 4, 18, 4), post_norm=False),
    _internimage('s', '1k_224', 224, 80, (4, 4, 21, 4)),
    _internimage('b', '1k_224', 224, 112, (4, 4, 21, 4)),
    _internimage('l', '22k_192to384', 384, 160, (5, 5, 22, 5), offset_scale=2.0),
)
