"""InternImage's own names, and those of its authors' code for the Hugging Face hub."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints.renaming import rename

if TYPE_CHECKING:
    from torch import nn

LAYOUT = 'InternImage'

_FIRST = 'levels.0.blocks.0.dcn.dw_conv.0.weight'
_RENAMES = ((r'^model\.', ''), (r'\.layer_scale([12])$', r'.gamma\1'))


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys have a deformable convolution in their first block."""
    return _FIRST in state or f'model.{_FIRST}' in state


def convert(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """To the authors' own names, which are the tower's."""
    return rename(state, _RENAMES)
