"""Bytes in memory decode as the file does."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from cite.errors import DataError
from cite.images import load_rgb
from cite.images.decode_batch import decode_batch
from cite.images.read import decode_rgb


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 256, (5, 6, 3), np.uint8), np.ones((8, 8, 1), np.uint8))
    paths = [tmp_path / name for name in ('a.jpg', 'b.png', 'c.jpg')]
    for path in paths:
        Image.fromarray(smooth).save(path)
    Image.new('CMYK', (9, 7), (10, 20, 30, 40)).save(tmp_path / 'd.jpg')
    return [*paths, tmp_path / 'd.jpg']


def pixels(path):
    return torch.from_numpy(np.asarray(load_rgb(path)).transpose(2, 0, 1).copy())


def test_bytes_decode_as_files_do(files):
    for path in files:
        assert np.array_equal(decode_rgb(BytesIO(path.read_bytes()), path), load_rgb(path))


def test_damage_names_the_file(files):
    with pytest.raises(DataError, match=r'a\.jpg: cannot be read as an image'):
        decode_rgb(BytesIO(files[0].read_bytes()[:200]), files[0])


def test_a_huge_picture_is_refused(files, monkeypatch):
    monkeypatch.setattr('cite.images.read.MAX_PIXELS', 100)
    with pytest.raises(DataError, match='too large for a patch'):
        decode_rgb(BytesIO(files[0].read_bytes()), files[0])


def test_many_files_on_a_cpu(files):
    for found, path in zip(decode_batch(files), files, strict=True):
        assert torch.equal(found, pixels(path))
    with pytest.raises(DataError, match=r'e\.jpg: No such file'):
        decode_batch([*files, files[0].with_name('e.jpg')])


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_many_files_on_a_gpu(files):
    damaged = files[0].with_name('damaged.jpg')
    damaged.write_bytes(files[0].read_bytes()[:200])
    for found, path in zip(decode_batch(files, 'cuda'), files, strict=True):
        assert found.is_cuda and found.dtype == torch.uint8
        assert (found.cpu().float() - pixels(path).float()).abs().mean() < 2
    with pytest.raises(DataError, match='damaged'):
        decode_batch([*files, damaged], 'cuda')
