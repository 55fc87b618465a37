"""RETFound: models of the retina, pretrained as MAE or DINOv2.

Their feature is the mean of the patch tokens behind a fresh norm, which training starts from: the norm
in the file belongs to the class token's side and is left aside.
"""

from __future__ import annotations

from typing import Any

from cite.encoders.card import IMAGENET, Card, Source


def _retfound(name: str, repo: str, arch: str, patch_size: int, **more: Any) -> Card:
    return Card(
        name=f'retfound-{name}',
        arch=arch,
        feature='pool',
        feature_dim=1024,
        patch_size=patch_size,
        image_size=224,
        **IMAGENET,
        licence='CC-BY-NC-4.0',
        citation='Zhou et al., Nature 2023',
        source=Source(f'YukunZhou/{repo}', (f'{repo}.pth',)),
        gated=True,
        resize_size=256,
        domain='retina',
        pos_interp='mae',
        **more,
    )


def _mae(name: str, data: str) -> Card:
    return _retfound(
        name,
        f'RETFound_mae_{data}',
        'vit_large_patch16_224',
        16,
        arch_kwargs={'num_classes': 0, 'global_pool': 'avg'},
        leftovers=('norm.*', 'mask_token', 'decoder*'),
    )


def _dinov2(data: str) -> Card:
    return _retfound(
        f'dinov2-{data}',
        f'RETFound_dinov2_{data}',
        'vit_large_patch14_dinov2',
        14,
        # None: plain or gated, as the file's shapes say
        arch_kwargs={'num_classes': 0, 'global_pool': 'avg', 'mlp_layer': None},
        leftovers=('norm.*', 'mask_token', 'dino_head.*', 'ibot_head.*'),
        note='its feed-forward layers are built as the file has them',
    )


CARDS = (
    _mae('cfp', 'natureCFP'),
    _mae('oct', 'natureOCT'),
    _mae('meh', 'meh'),
    _mae('shanghai', 'shanghai'),
    _dinov2('meh'),
    _dinov2('shanghai'),
)
