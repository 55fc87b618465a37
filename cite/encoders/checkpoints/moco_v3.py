"""A training run of MoCo v3 with a ViT: `base_encoder.*`, its moving average and the predictor.

The base encoder is the one that its authors evaluate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints import timm_vit
from cite.encoders.checkpoints.renaming import drop, rename

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'MoCo v3 with a ViT'

_TRAINING_ONLY = ('momentum_encoder.', 'predictor.')


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these keys are those of MoCo v3 around a vision transformer."""
    return 'base_encoder.patch_embed.proj.weight' in state


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To timm's names; its projection head becomes `head.*`."""
    base = rename(drop(state, _TRAINING_ONLY), ((r'^base_encoder\.', ''),))
    return timm_vit.convert(base, model)
