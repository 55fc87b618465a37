from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.attribution.patch_map import enlarge, seen_box
from cite.images import ResizePatch


@given(
    width=st.integers(40, 300),
    height=st.integers(40, 300),
    how=st.sampled_from(['squash', 'shortest', 'pad']),
    larger=st.sampled_from([0, 8, 33]),
)
@settings(max_examples=60, deadline=None)
def test_the_box_is_what_the_tower_sees(width, height, how, larger):
    """A picture whose colours tell where a pixel stood, through the real preprocessing."""
    x = torch.linspace(0, 255, width).expand(height, width)
    y = torch.linspace(0, 255, height)[:, None].expand(height, width)
    picture = torch.stack([x, y, torch.full_like(x, 255)]).round().to(torch.uint8)
    resize = ResizePatch(64, how=how, resize=None if how == 'pad' else 64 + larger)
    left, top, right, bottom = seen_box(resize, (width, height))
    seen = resize(picture).float()
    places = torch.arange(64) + 0.5
    stood_x = left + places / 64 * (right - left) - 0.5
    stood_y = top + places / 64 * (bottom - top) - 0.5
    # not where the picture's edge, or the black beyond it, is mixed in
    reach_x, reach_y = 3 + (right - left) / 32, 3 + (bottom - top) / 32
    x_in = (stood_x > reach_x) & (stood_x < width - 1 - reach_x)
    y_in = (stood_y > reach_y) & (stood_y < height - 1 - reach_y)
    found = seen[:2, y_in][:, :, x_in]
    assert found.numel()
    expected_x = stood_x[x_in] / (width - 1) * 255
    expected_y = stood_y[y_in] / (height - 1) * 255
    assert (found[0] - expected_x).abs().max() < 2 + 255 / width
    assert (found[1] - expected_y[:, None]).abs().max() < 2 + 255 / height


def test_a_centre_crop_leaves_out_margins():
    assert seen_box(ResizePatch(64, how='shortest'), (200, 100)) == (50, 0, 150, 100)
    assert seen_box(ResizePatch(224, how='squash', resize=256), (256, 512)) == (16, 32, 240, 480)
    assert seen_box(ResizePatch(64, how='pad'), (100, 60)) == (0, -20, 100, 80)


@pytest.mark.parametrize('cells', [4, 7])
def test_the_centre_of_a_cell_keeps_its_value(cells):
    grid = np.random.default_rng(0).random((cells, cells)).astype(np.float32)
    large = enlarge(grid, cells * 9)
    assert large.dtype == np.float32
    np.testing.assert_allclose(large[4::9, 4::9], grid, atol=1e-6)
    assert large.min() >= grid.min() - 1e-6 and large.max() <= grid.max() + 1e-6
