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

import torch
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
    rows, columns = (
        _weights(old, new, flavour).to(pos.device)
        for old, new in zip(old_grid, new_grid, strict=True)
    )
    grid = pos[0, n_prefix:].double().unflatten(0, old_grid)
    grid = _mixed(columns, _mixed(rows, grid).transpose(0, 1)).transpose(0, 1)
    return cat([pos[:, :n_prefix], grid.flatten(0, 1)[None].to(pos.dtype)], dim=1)


def _weights(old: int, new: int, flavour: PosInterp) -> Tensor:
    """What each of `old` places in a row counts at each of `new`: (new, old), to 24 binary digits."""
    # columns all alike; of one column alone, torch 2.14 makes something else when it antialiases
    source = torch.eye(old, dtype=torch.float64, device='cpu').view(1, old, old, 1)
    source = source.repeat(1, 1, 1, old)
    if flavour == 'dino':
        found = interpolate(source, scale_factor=((new + 0.1) / old, 1.0), mode='bicubic')
    elif flavour == 'conch':
        found = interpolate(source, size=(new, old), mode='bilinear')
    elif flavour == 'openclip':
        found = interpolate(source, size=(new, old), mode='bicubic', align_corners=True)
    else:
        found = interpolate(source, size=(new, old), mode='bicubic', antialias=flavour == 'timm')
    return (found[0, :, :, 0].T * 2**24).round() / 2**24


def _mixed(weights: Tensor, grid: Tensor) -> Tensor:
    """Weighted sums over the first axis, (old, …) → (new, …).

    In one order and by operations that every processor rounds alike, which torch's own resizing does not:
    a tower's digest covers these numbers, and an adapter must know its base model again on any machine.
    """
    total = grid.new_zeros(len(weights), *grid.shape[1:])
    for weight, values in zip(weights.T, grid, strict=True):
        total += weight.view(-1, *[1] * values.ndim) * values
    return total


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
