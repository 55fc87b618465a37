"""timm's own names, which DINO, MAE, UNI and most pathology models share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints.renaming import drop, has_head

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'timm ViT'

_MAE_TRAINING = ('mask_token', 'decoder_')


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of a timm vision transformer."""
    return {'patch_embed.proj.weight', 'blocks.0.norm1.weight'} <= state.keys()


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """Without MAE's decoder, and without the classifier where `model` has no head."""
    out = drop(state, _MAE_TRAINING)
    return out if has_head(model) else drop(out, ('head.',))
