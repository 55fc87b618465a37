"""Position embeddings for another grid of patches.

Papers resize them in ways that differ in the third digit of the features, so each model keeps its
authors' way ('flavour'):

- 'timm': bicubic to the size, antialiased. timm, and DINOv2 with registers.
- 'dino': bicubic by the factor (size + 0.1) / old size, not antialiased. DINO and DINOv2 without
  registers; the 0.1 guards against rounding down and shifts the sampling points a little.
- 'mae': bicubic to the size, not antialiased. MAE and what was fine-tuned from it, MUSK, mmpretrain, and
  DINOv2 in transformers.
- 'conch': bilinear to the size, not antialiased. CONCH at loading.
- 'openclip': bicubic with aligned corners. Old open_clip, and UniMed-CLIP's fork of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, cat
from torch.nn.functional import interpolate

from cite.encoders.card import PosInterp
from cite.errors import CheckpointError

if TYPE_CHECKING:
    from torch import nn


def interpolate_pos_embed(
    pos: Tensor,
    old_grid: tuple[int, int],
    new_grid: tuple[int, int],
    n_prefix: int,
    flavour: PosInterp,
) -> Tensor:
    """Resize position embeddings.

    Args:
        pos: (1, n_prefix + rows * columns, C).
        old_grid, new_grid: Rows and columns of patches.
        n_prefix: Leading positions (class token, registers) that are kept as they are.
        flavour: One of those in the module's head.

    Returns:
        (1, n_prefix + new rows * new columns, C); `pos` itself where the grids agree.
    """
    if pos.shape[1] != n_prefix + old_grid[0] * old_grid[1]:
        raise CheckpointError(
            f'pos_embed holds {pos.shape[1]} positions, expected {n_prefix} + '
            f'{old_grid[0]} x {old_grid[1]}. The weights belong to another architecture'
        )
    if old_grid == new_grid:
        return pos
    grid = pos[:, n_prefix:].float().unflatten(1, old_grid).permute(0, 3, 1, 2)
    if flavour == 'dino':
        factors = [(new + 0.1) / old for new, old in zip(new_grid, old_grid, strict=True)]
        grid = interpolate(grid, scale_factor=factors, mode='bicubic')
    elif flavour == 'conch':
        grid = interpolate(grid, size=new_grid, mode='bilinear')
    elif flavour == 'openclip':
        grid = interpolate(grid, size=new_grid, mode='bicubic', align_corners=True)
    else:
        grid = interpolate(grid, size=new_grid, mode='bicubic', antialias=flavour == 'timm')
    return cat([pos[:, :n_prefix], grid.flatten(2).transpose(1, 2).to(pos.dtype)], dim=1)


def fit_pos_embed(
    state: Mapping[str, Tensor], model: nn.Module, flavour: PosInterp
) -> dict[str, Tensor]:
    """A state dict in timm's names whose `pos_embed` fits the grid that `model` was built for.

    The stored grid is taken to be square, as every published file's is. Models of other kinds stay as
    they are.
    """
    from timm.models.vision_transformer import VisionTransformer

    pos = state.get('pos_embed')
    if pos is None or not isinstance(model, VisionTransformer) or model.pos_embed is None:
        return dict(state)
    n_prefix = 0 if model.no_embed_class else model.num_prefix_tokens
    side = math.isqrt(max(pos.shape[1] - n_prefix, 0))
    rows, columns = model.patch_embed.grid_size
    return {
        **state,
        'pos_embed': interpolate_pos_embed(pos, (side, side), (rows, columns), n_prefix, flavour),
    }
