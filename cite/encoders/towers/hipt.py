"""HIPT's region encoder: a vision transformer over tiles, each of which another one reads.

Chen et al., 'Scaling vision transformers to gigapixel images via hierarchical self-supervised learning'
(CVPR 2022). ViT-256 turns every tile of 256 × 256 pixels into one vector; ViT-4K takes the grid of them as
its patch tokens, 16 × 16 in a region of 4096 pixels.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cite.encoders.towers.stages import STAGES
from cite.encoders.towers.vit import PlainViT

if TYPE_CHECKING:
    from cite.encoders.card import Card

TILE = 256
CHUNK = 64
"""Tiles computed at once: they bound the memory that a region takes, and change nothing else."""


class TileEmbed(nn.Module):
    """The patch embedding of ViT-4K, for timm's `VisionTransformer(embed_layer=…)`.

    Args:
        vit256: Tiles (N, 3, 256, 256) → class tokens (N, 384).
        img_size: Side of the region in pixels.
        embed_dim: Length of a token of ViT-4K.
        **_: What timm passes to patch embeddings of other kinds.
    """

    def __init__(self, vit256: nn.Module, img_size: int, embed_dim: int, **_: Any) -> None:
        super().__init__()
        side = img_size // TILE
        self.img_size = (img_size, img_size)
        self.patch_size = (TILE, TILE)
        self.grid_size = (side, side)
        self.num_patches = side * side
        self.vit256 = vit256
        self.phi = nn.Sequential(nn.Linear(vit256.embed_dim, embed_dim), nn.GELU())  # type: ignore[arg-type]

    def forward(self, images: Tensor) -> Tensor:
        """Regions (B, 3, H, W) → tokens (B, tiles, embed_dim), row by row.

        The authors call rows 'w', unfold them first, and lay the tiles' vectors out as (384, w, h), which
        ViT-4K flattens again: its tokens are in the order of reading, with the position embeddings of a
        row next to each other. No transposition is left over.
        """
        tiles = images.unfold(2, TILE, TILE).unfold(3, TILE, TILE)
        tiles = tiles.permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        vectors = torch.cat([self.vit256(chunk) for chunk in tiles.split(CHUNK)])
        tokens: Tensor = self.phi(vectors.unflatten(0, (len(images), -1)))
        return tokens


@STAGES.register
class HIPT4K(PlainViT):
    """ViT-4K on top of ViT-256. Its blocks are ViT-4K's: what is tuned, and what prompts join.

    A card's `arch_kwargs` may give 'depth' (6) and 'tile_depth' (12), the blocks of ViT-4K and ViT-256.
    """

    description = 'a vision transformer over tiles'

    @classmethod
    def build(cls, card: Card, image_size: int) -> nn.Module:
        import timm
        from timm.models.vision_transformer import VisionTransformer

        kwargs = {'depth': 6, 'tile_depth': 12, **card.arch_kwargs}
        vit256 = timm.create_model(
            'vit_small_patch16_224', img_size=TILE, num_classes=0, depth=kwargs['tile_depth']
        )
        return VisionTransformer(
            img_size=image_size,
            patch_size=TILE,
            embed_layer=partial(TileEmbed, vit256),
            embed_dim=card.feature_dim,
            depth=kwargs['depth'],
            num_heads=6,
            num_classes=0,
        )
