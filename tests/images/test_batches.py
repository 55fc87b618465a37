from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cite.errors import ConfigError, DataError
from cite.images.batches import image_batches
from cite.images.resize import ResizePatch

RESIZE = ResizePatch(16)


def batch(images, size: int = 8) -> torch.Tensor:
    return torch.cat(list(image_batches(images, RESIZE, size)))


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (5, 20, 24, 3), dtype=np.uint8)


@pytest.fixture
def paths(pixels, tmp_path):
    for index, array in enumerate(pixels):
        Image.fromarray(array).save(tmp_path / f'{index}.png')
    return sorted(tmp_path.iterdir())


def test_paths_pictures_arrays_agree(pixels, paths):
    expected = batch(paths)
    assert expected.shape == (5, 3, 16, 16)
    assert expected.dtype == torch.uint8
    for images in (
        [str(path) for path in paths],
        iter(paths),
        [Image.fromarray(array) for array in pixels],
        list(pixels),
        pixels,
    ):
        assert torch.equal(batch(images), expected)
    tensors = torch.from_numpy(pixels).permute(0, 3, 1, 2)
    for images in (tensors, list(tensors)):  # torchvision resizes tensors a little differently
        assert (batch(images).int() - expected.int()).abs().max() <= 3


def test_one_image_is_a_batch_of_one(pixels, paths):
    expected = batch(paths[:1])
    for image in (paths[0], str(paths[0]), Image.fromarray(pixels[0]), pixels[0]):
        assert torch.equal(batch(image), expected)
    assert batch(torch.from_numpy(pixels[0]).permute(2, 0, 1)).shape == (1, 3, 16, 16)


def test_pictures_in_memory_are_converted_as_files_are(tmp_path, pixels):
    rgba = np.dstack([pixels[0], np.zeros((20, 24), np.uint8)])
    deep = (np.arange(20 * 24, dtype=np.uint16).reshape(20, 24)) * 100
    for picture in (
        Image.fromarray(rgba),
        Image.fromarray(deep),
        Image.fromarray(pixels[0]).convert('L'),
        Image.fromarray(pixels[0]).convert('P'),
    ):
        picture.save(tmp_path / 'picture.png')
        assert torch.equal(batch(picture), batch(tmp_path / 'picture.png'))
    assert (batch(Image.fromarray(rgba)) == 255).all()  # transparent: the white of an empty slide


def test_batch_sizes_and_laziness(paths):
    sizes = [len(part) for part in image_batches(paths, RESIZE, 2)]
    assert sizes == [2, 2, 1]
    assert list(image_batches([], RESIZE, 2)) == []
    parts = image_batches([*paths[:2], 'nowhere.png'], RESIZE, 2)
    assert len(next(parts)) == 2
    with pytest.raises(DataError, match=r'nowhere\.png: no such file'):
        next(parts)


@pytest.mark.parametrize(
    ('image', 'named'),
    [
        (np.zeros((20, 20), np.uint8), r'uint8 H × W × 3, found ndarray uint8 \(20, 20\)'),
        (np.zeros((20, 20, 3)), 'float64'),
        (np.zeros((3, 20, 20), np.uint8), r'\(3, 20, 20\)'),
        (torch.zeros(3, 20, 20), r'uint8 3 × H × W, found torch\.float32'),
        (torch.zeros(20, 20, 3, dtype=torch.uint8), r'\(20, 20, 3\)'),
        (7, 'found int'),
        (None, 'found NoneType'),
    ],
)
def test_other_things_are_named(image, named):
    with pytest.raises(DataError, match=named):
        batch([image])


def test_batch_size_is_at_least_one(paths):
    with pytest.raises(ConfigError, match='at least 1, found 0'):
        batch(paths, 0)
