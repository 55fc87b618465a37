"""HIPT: ViT-256 for tiles, and ViT-4K over them for regions."""

from __future__ import annotations

from typing import Any

from cite.encoders.card import HALF, Card, Source

_GITHUB = (
    'download it from https://github.com/mahmoodlab/HIPT (git-lfs, folder HIPT_4K/Checkpoints), '
    'Apache-2.0 with Commons Clause'
)
_TILES, _REGIONS = 'vit256_small_dino.pth', 'vit4k_xs_dino.pth'
_ABOUT: dict[str, Any] = {
    **HALF,
    'licence': 'Apache-2.0 with Commons Clause',
    'citation': 'Chen et al., CVPR 2022, arXiv:2206.02647',
    'pos_interp': 'dino',
    'domain': 'pathology',
    'mpp': 0.5,
}

CARDS = (
    Card(
        name='hipt-vit256',
        arch='vit_small_patch16_224',
        feature='token',
        feature_dim=384,
        patch_size=16,
        image_size=256,
        source=Source(None, (_TILES,), how=_GITHUB),
        arch_kwargs={'num_classes': 0},
        leftovers=('head.*',),
        note='reads tiles of 256 pixels as they are',
        **_ABOUT,
    ),
    Card(
        name='hipt-4k',
        arch='vit4k_xs',
        tower='HIPT4K',
        feature='token',
        feature_dim=192,
        patch_size=256,
        image_size=4096,
        source=Source(
            None,
            ('hipt-4k.safetensors',),
            how=_GITHUB,
            parts=(('vit256.', _TILES), ('vit4k.', _REGIONS)),
        ),
        leftovers=('head.*', 'patch_embed.vit256.head.*'),
        note='reads regions of 4096 pixels; image_size=1024 or another multiple of 256 for smaller ones',
        **_ABOUT,
    ),
)
