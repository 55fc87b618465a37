from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cite.data.crop_patch import CropPatch
from cite.data.randomness import seeded
from cite.errors import ConfigError


def coordinates(height: int, width: int) -> Image.Image:
    """A picture in which every pixel says where it is."""
    rows, columns = np.indices((height, width), dtype=np.uint8)
    return Image.fromarray(np.stack([rows, columns, np.zeros_like(rows)], axis=-1))


def crops(crop: CropPatch, picture: Image.Image, count: int = 300) -> list[np.ndarray]:
    with seeded(0):
        return [np.asarray(crop(picture)) for _ in range(count)]


def test_crops_are_squares_of_the_picture_with_areas_in_the_range():
    found = crops(CropPatch((0.25, 0.75)), coordinates(40, 60))
    for pixels in found:
        side, other = pixels.shape[:2]
        top, left = pixels[0, 0, :2].astype(int)
        assert side == other
        assert np.array_equal(pixels[..., 0] - top, np.indices((side, side))[0])
        assert np.array_equal(pixels[..., 1] - left, np.indices((side, side))[1])
    areas = np.array([len(pixels) ** 2 for pixels in found]) / 1600  # of the largest square
    assert areas.min() > 0.25 - 0.03 and areas.max() < 0.75 + 0.03
    assert abs(areas.mean() - 0.5) < 0.03  # even in area, not in side
    tops, lefts = (np.array([pixels[0, 0, axis] for pixels in found]) for axis in (0, 1))
    assert (tops.min(), lefts.min()) == (0, 0) and lefts.max() > tops.max() > 12


def test_it_is_a_function_of_the_random_state():
    picture = coordinates(30, 30)
    first, second = crops(CropPatch(), picture, 5), crops(CropPatch(), picture, 5)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert len({pixels.tobytes() for pixels in first}) == 5


@pytest.mark.parametrize('share', [(1, 1), (1.0, 1.0)])
def test_a_share_of_one_keeps_the_whole_square(share):
    picture = coordinates(20, 20)
    assert np.array_equal(np.asarray(CropPatch(share)(picture)), np.asarray(picture))
    assert CropPatch(share)(coordinates(20, 25)).size == (20, 20)


def test_tensors_and_tiny_pictures_are_cropped_too():
    assert CropPatch((0.01, 0.01))(coordinates(4, 4)).size == (1, 1)
    assert CropPatch((0.25, 0.25))(torch.zeros(3, 8, 10, dtype=torch.uint8)).shape == (3, 4, 4)


@pytest.mark.parametrize('share', [(0.0, 1.0), (0.5, 1.1), (0.8, 0.6), (0.5,), 0.6, None, ()])
def test_shares_that_are_none_are_refused(share):
    with pytest.raises(ConfigError, match=r'CropPatch: share must be \(least, greatest\)'):
        CropPatch(share)


def test_its_repr_names_the_share():
    assert repr(CropPatch((0.6, 1))) == 'CropPatch(share=(0.6, 1))'
