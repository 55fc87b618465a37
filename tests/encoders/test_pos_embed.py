from __future__ import annotations

import hashlib
import itertools
from typing import get_args

import pytest
import torch
from timm.layers import resample_abs_pos_embed
from torch.nn.functional import interpolate

from cite.encoders.card import PosInterp
from cite.encoders.pos_embed import interpolate_pos_embed
from cite.errors import CheckpointError

BITS = {
    'timm': '28ccabc0527f',
    'dino': 'a84936d13386',
    'mae': '5d72bee4ba90',
    'conch': 'ca64778785a3',
    'openclip': '89cfe1724ecd',
}


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
    torch.testing.assert_close(found, dinov2_official(pos, *grid), atol=2e-5, rtol=0)


@pytest.mark.parametrize('grid', [(16, 16), (18, 24)])
def test_timm_is_timm(pos, grid):
    found = interpolate_pos_embed(pos, (37, 37), grid, 1, 'timm')
    expected = resample_abs_pos_embed(pos, list(grid), num_prefix_tokens=1)
    torch.testing.assert_close(found, expected, atol=2e-5, rtol=0)


def test_mae_is_bicubic_without_antialias(pos):
    found = interpolate_pos_embed(pos, (37, 37), (16, 16), 1, 'mae')
    grid = pos[:, 1:].reshape(1, 37, 37, -1).permute(0, 3, 1, 2)
    grid = interpolate(grid, size=(16, 16), mode='bicubic', align_corners=False)
    expected = grid.permute(0, 2, 3, 1).flatten(1, 2)
    torch.testing.assert_close(found[:, 1:], expected, atol=2e-5, rtol=0)
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
    torch.testing.assert_close(found, resized(pos, **how), atol=2e-5, rtol=0)


@pytest.mark.parametrize('flavour', get_args(PosInterp))
def test_same_bits_on_every_processor(flavour):
    """Digests of towers cover them; torch's own resizing rounds as the processor's vectors are long."""
    ticks = (
        torch.arange(4 * 37 * 37, dtype=torch.float64).mul(0.37).sin()
    )  # not random: that differs, too
    pos = torch.cat(
        [torch.zeros(1, 1, 4), ticks.mul(1000).round().div(1000).view(1, -1, 4).float()], 1
    )
    found = interpolate_pos_embed(pos, (37, 37), (16, 16), 1, flavour)
    assert hashlib.sha256(found.contiguous().numpy().tobytes()).hexdigest()[:12] == BITS[flavour]


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
