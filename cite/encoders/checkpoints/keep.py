"""KEEP: a timm trunk, two layers behind it, and the text tower beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints.renaming import drop, rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'KEEP'

_RENAMES = ((r'^visual\.', ''), (r'^visual_head\.', 'head.'))


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are a timm trunk's under `visual.`, with a head beside it."""
    return {'visual.patch_embed.proj.weight', 'visual_head.0.weight'} <= state.keys()


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To the names of `cite.encoders.towers.projected_vit`."""
    return rename(drop(state, ('text.', 'logit_scale')), _RENAMES)
