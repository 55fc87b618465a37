"""timm's own names, which DINO, MAE, UNI and most pathology models share.

MAE's files have these names, too, with a decoder beside in those of a training run.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints.renaming import start_pooled_norm

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'timm ViT'


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of a timm vision transformer."""
    return {'patch_embed.proj.weight', 'blocks.0.norm1.weight'} <= state.keys()


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """As they are, with a fresh norm behind the mean where `model` has one and the file does not."""
    return start_pooled_norm(state, model)
