from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.data.prepare import fingerprint as module
from cite.data.prepare.fingerprint import fingerprint, symmetries


def pixels(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 99))
def test_the_eight_symmetries_have_one_digest(height, width, seed):
    picture = pixels(height, width, seed)
    marks = [fingerprint(np.ascontiguousarray(turned)) for turned in symmetries(picture)]
    assert len({mark.digest for mark in marks}) == 1
    assert np.allclose([mark.spread for mark in marks], marks[0].spread)
    for mark, turned in zip(marks, symmetries(marks[0].grid), strict=True):
        assert np.array_equal(mark.grid, turned)


@pytest.mark.parametrize('size', [(300, 300), (224, 224), (301, 299), (17, 31)])
def test_one_grey_level_makes_another_digest(size):
    picture = pixels(*size)
    changed = picture.copy()
    changed[size[0] // 2, size[1] // 2, 1] ^= 1
    assert fingerprint(picture).digest != fingerprint(changed).digest


def test_there_are_eight_symmetries_and_the_first_is_the_picture():
    grid = np.arange(9).reshape(3, 3)
    turned = list(symmetries(grid))
    assert np.array_equal(turned[0], grid)
    assert len({t.tobytes() for t in map(np.ascontiguousarray, turned)}) == 8
    assert any(np.array_equal(t, np.rot90(grid)) for t in turned)


def test_grid_and_spread_are_means_and_deviation():
    picture = pixels(64, 32)
    mark = fingerprint(picture)
    areas = picture.reshape(16, 4, 16, 2, 3).mean(axis=(1, 3))
    assert np.array_equal(mark.grid, np.rint(areas))
    assert np.isclose(mark.spread, np.sqrt(picture.astype(float).var(axis=(0, 1)).mean()))
    assert fingerprint(np.full((20, 20, 3), (200, 30, 90), np.uint8)).spread == 0


def test_large_pictures_in_blocks_of_rows_are_the_same(monkeypatch):
    picture = pixels(50, 33)
    whole = fingerprint(picture)
    monkeypatch.setattr(module, '_BLOCK', 7)
    blocks = fingerprint(picture)
    assert whole.digest == blocks.digest and np.array_equal(whole.grid, blocks.grid)


def test_the_digest_of_a_picture_stays():
    assert fingerprint(pixels(20, 20)).digest.hex() == 'a748ee021d8c553c6934854ddf4a93ed'
