"""The DINO models of kaiko.ai and their Midnight-12k.

The DINO models come from the mirror in timm's layout; the authors' own files (`vits16.pth` …, on
https://github.com/kaiko-ai/towards_large_pathology_fms/releases) load as well.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import HALF, Card, Source

_MIRROR = 'kaiko_ai_towards_large_pathology_fms'


def _kaiko(size: str, patch_size: int, timm_size: str, dim: int, **more: Any) -> Card:
    registers = 'reg4_' if size == 'l' else ''
    file = f'vit{size}{patch_size}'
    return Card(
        name=f'kaiko-vit-{size}{patch_size}',
        feature='token',
        feature_dim=dim,
        patch_size=patch_size,
        image_size=224,
        **HALF,
        licence='Kaiko non-commercial',
        citation='Aben et al., arXiv:2404.15217',
        source=Source(
            f'1aurent/vit_{timm_size}_patch{patch_size}_{registers}224.{_MIRROR}',
            ('model.safetensors', 'pytorch_model.bin', f'{file}.pth'),
        ),
        arch_kwargs={'num_classes': 0},
        interpolation='bilinear',
        domain='pathology',
        **{'arch': f'vit_{timm_size}_patch{patch_size}_224', **more},
    )


CARDS = (
    _kaiko('s', 16, 'small', 384),
    _kaiko('s', 8, 'small', 384),
    _kaiko('b', 16, 'base', 768),
    _kaiko('b', 8, 'base', 768),
    _kaiko('l', 14, 'large', 1024, arch='vit_large_patch14_reg4_dinov2', leftovers=('mask_token',)),
    Card(
        name='midnight-12k',
        arch='vit_giant_patch14_dinov2',
        feature='token+mean',
        feature_dim=3072,
        patch_size=14,
        image_size=224,
        **HALF,
        licence='MIT',
        citation='Karasikov et al., arXiv:2504.05186',
        source=Source('kaiko-ai/midnight'),
        arch_kwargs={'num_classes': 0},
        interpolation='bilinear',
        domain='pathology',
        pos_interp='mae',
        leftovers=('mask_token',),
        note='class token and mean of the patch tokens, as its authors classify',
    ),
)
