from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cite.images.stain.density import (
    from_density,
    like,
    optical_density,
    pixels_of,
    tissue_pixels,
    tissue_weight,
)


def test_density_of_every_grey_level_comes_back():
    levels = np.arange(256, dtype=np.uint8).reshape(-1, 1).repeat(3, axis=1)
    density = optical_density(levels)
    assert density[255] == pytest.approx(0, abs=1e-7) and np.isfinite(density).all()
    assert density[127, 0] == pytest.approx(np.log(2))
    np.testing.assert_array_equal(from_density(density), levels)
    assert from_density(np.float32([-1, 0, 99])).tolist() == [255, 255, 0]


def test_glass_has_no_weight_and_the_ramp_has_no_step():
    grey = np.arange(256, dtype=np.uint8).reshape(-1, 1).repeat(3, axis=1)
    weight = tissue_weight(optical_density(grey))[:, 0]
    assert (weight[:206] == 1).all() and (weight[222:] == 0).all()
    assert (np.diff(weight) <= 0).all() and np.abs(np.diff(weight)).max() < 0.1


def test_too_little_tissue_is_none():
    white = np.full((100, 100, 3), 245, np.uint8)
    assert tissue_pixels(white) is None
    pink = white.copy()
    pink[:4] = (200, 100, 180)  # 4 %
    assert tissue_pixels(pink) is None
    pink[:5] = (200, 100, 180)
    assert tissue_pixels(pink).tolist() == [[200, 100, 180]] * 500
    assert tissue_pixels(pink[:10, :19]) is None  # less than 200 pixels in all


def test_of_many_pixels_a_part_is_taken():
    pixels = np.random.default_rng(0).integers(0, 200, (300, 300, 3)).astype(np.uint8)
    assert 20_000 <= len(tissue_pixels(pixels)) <= 30_000


def test_kinds_of_picture():
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3)).astype(np.uint8)
    image = Image.fromarray(pixels)
    tensor = torch.from_numpy(pixels).permute(2, 0, 1)
    for kind in (image, tensor):
        np.testing.assert_array_equal(pixels_of(kind), pixels)
        again = like(kind, pixels)
        assert type(again) is type(kind)
        np.testing.assert_array_equal(pixels_of(again), pixels)
    assert pixels_of(image.convert('L')).shape == (3, 5, 3)
