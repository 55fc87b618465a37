"""Vision transformers whose class token goes through two layers into the space of the texts: KEEP."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from cite.encoders.towers.stages import STAGES
from cite.encoders.towers.vit import PlainViT

if TYPE_CHECKING:
    from cite.encoders.card import Card


@STAGES.register
class ProjectedViT(PlainViT):
    """A plain vision transformer with linear, GELU, linear behind it (timm's heads have one layer)."""

    @classmethod
    def build(cls, card: Card, image_size: int) -> nn.Module:
        trunk = super().build(card, image_size)
        dim = card.feature_dim
        trunk.head = nn.Sequential(
            nn.Linear(trunk.embed_dim, dim),  # type: ignore[arg-type]
            nn.GELU(),
            nn.Linear(dim, dim),
        )
        return trunk
