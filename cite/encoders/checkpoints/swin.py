"""Swin transformers in timm's names: of today, and of before timm 0.9, which is also Microsoft's layout.

The older layout merges patches at the end of a stage where today's does at the beginning of the next,
and stores buffers that follow from the image size. CTransPath was made with timm 0.5.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

if TYPE_CHECKING:
    from timm.models.swin_transformer import SwinTransformer

LAYOUT = 'Swin transformer'

BUFFERS = ('.attn_mask', '.relative_position_index')
"""What the model computes itself."""
_MERGING = re.compile(r'layers\.(\d+)\.downsample\.')
_CLASSIFIER = re.compile(r'^head\.(?=weight|bias)')
_SIGN = re.compile(r'layers\.\d+\.blocks\.\d+\.attn\.relative_position_bias_table')


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of a Swin transformer of the first version."""
    return any(_SIGN.fullmatch(key) for key in state)


def convert(state: Mapping[str, Tensor], model: SwinTransformer) -> dict[str, Tensor]:
    """To today's places of merging layers and classifier, without buffers."""
    moves = any(key.startswith('layers.0.downsample.') for key in state)

    def later(found: re.Match[str]) -> str:
        return f'layers.{int(found[1]) + 1}.downsample.'

    return {
        _CLASSIFIER.sub('head.fc.', _MERGING.sub(later, key) if moves else key): value
        for key, value in state.items()
        if not key.endswith(BUFFERS)
    }
