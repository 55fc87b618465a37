from __future__ import annotations

import itertools
from typing import get_args

import pytest
import torch
from timm.layers import resample_abs_pos_embed
from torch.nn.functional import interpolate

from cite.encoders.card import PosInterp
from cite.encoders.pos_embed import interpolate_pos_embed
from cite.errors import CheckpointError


@pytest.fixture
def pos() -> torch.Tensor:
    return torch.randn(1, 1 + 37 * 37, 4, generator=torch.Generator().manual_seed(0))


def dinov2_official(pos: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """What DINOv2's `interpolate_pos_encoding` does, offset 0.1, written down once more."""
    side = 37
    grid = pos[:, 1:].reshape(1, side, side, -1).permute(0, 3, 1, 2)
    scale = (float(height + 0.1) / side, float(width + 0.1) / side)
    grid = interpolate(grid, mode='bicubic', antialias=False, scale_factor=scale)
    assert grid.shape[-2:] == (height, width)
    return torch.cat([pos[:, :1], grid.permute(0, 2, 3, 1).reshape(1, -1, pos.shape[-1])], dim=1)


@pytest.mark.parametrize('grid', [(16, 16), (18, 24), (37, 36)])
def test_dino_is_the_official_code(pos, grid):
    found = interpolate_pos_embed(pos, (37, 37), grid, 1, 'dino')
    assert torch.equal(found, dinov2_official(pos, *grid))


@pytest.mark.parametrize('grid', [(16, 16), (18, 24)])
def test_timm_is_timm(pos, grid):
    found = interpolate_pos_embed(pos, (37, 37), grid, 1, 'timm')
    assert torch.equal(found, resample_abs_pos_embed(pos, list(grid), num_prefix_tokens=1))


def test_mae_is_bicubic_without_antialias(pos):
    found = interpolate_pos_embed(pos, (37, 37), (16, 16), 1, 'mae')
    grid = pos[:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2)
    grid = interpolate(grid, size=(16, 16), mode='bicubic', align_corners=False)
    assert torch.equal(found[:, 1:], grid.permute(0, 2, 3, 1).flatten(1, 2))
    assert torch.equal(found[:, :1], pos[:, :1])


def resized(pos: torch.Tensor, **how: object) -> torch.Tensor:
    grid = pos[:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2)
    grid = interpolate(grid, size=(16, 18), **how)  # type: ignore[arg-type]
    return torch.cat([pos[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)


@pytest.mark.parametrize(
    ('flavour', 'how'),
    [
        ('conch', {'mode': 'bilinear', 'align_corners': False, 'antialias': False}),
        ('openclip', {'mode': 'bicubic', 'align_corners': True}),
    ],
)
def test_conch_is_bilinear_and_old_open_clip_aligns_corners(pos, flavour, how):
    found = interpolate_pos_embed(pos, (37, 37), (16, 18), 1, flavour)
    assert torch.equal(found, resized(pos, **how))


def test_no_two_flavours_are_the_same(pos):
    flavours = get_args(PosInterp)
    found = [interpolate_pos_embed(pos, (37, 37), (16, 18), 1, flavour) for flavour in flavours]
    for one, other in itertools.combinations(found, 2):
        assert (one - other).abs().max() > 1e-3


@pytest.mark.parametrize('flavour', get_args(PosInterp))
def test_same_grid_is_untouched(pos, flavour):
    assert interpolate_pos_embed(pos, (37, 37), (37, 37), 1, flavour) is pos


def test_wrong_prefix_is_an_error(pos):
    with pytest.raises(CheckpointError, match='1370 positions, expected 5'):
        interpolate_pos_embed(pos, (37, 37), (16, 16), 5, 'timm')
