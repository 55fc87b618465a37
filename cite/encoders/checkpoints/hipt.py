"""HIPT's region encoder: the names of both its halves, under `vit256.` and `vit4k.`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor

from cite.encoders.checkpoints.renaming import rename
from cite.encoders.pos_embed import fit_pos_embed

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

LAYOUT = 'HIPT ViT-256 and ViT-4K'

_TILES = 'vit256.'
_RENAMES = (
    (r'^vit4k\.phi\.', 'patch_embed.phi.'),
    (r'^vit4k\.', ''),
)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether these are two transformers, of tiles and of regions."""
    return all(any(key.startswith(p) for key in state) for p in (_TILES, 'vit4k.'))


def convert(state: Mapping[str, Tensor], model: VisionTransformer) -> dict[str, Tensor]:
    """To the names of `cite.encoders.towers.hipt`.

    ViT-256 learned at 224 pixels and reads tiles of 256: its position embeddings are resized here, those
    of ViT-4K with the rest.
    """
    region = {key: value for key, value in state.items() if not key.startswith(_TILES)}
    tiles = {key.removeprefix(_TILES): state[key] for key in state.keys() - region.keys()}
    tiles = fit_pos_embed(tiles, getattr(model.patch_embed, 'vit256', model), 'dino')
    return rename(region, _RENAMES) | {f'patch_embed.{_TILES}{k}': v for k, v in tiles.items()}
