from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cite.data import PatchTable
from cite.data.prepare.patch_sizes import sample_sizes, settle_patch_size
from cite.errors import DataError


def test_sizes_are_read_off_files_spread_over_the_table(tmp_path):
    files = [f's_{i:03}.png' for i in range(100)]
    for i, file in enumerate(files):
        Image.new('RGB', (8, 8 if i < 99 else 9)).save(tmp_path / file)
    (tmp_path / files[0]).write_bytes(b'no image')
    table = PatchTable(files, [0] * 100, ['s'] * 100, ('c',), tmp_path)
    sizes = sample_sizes(table, most=10)
    assert sizes.tolist() == [[8, 8]] * 8 + [[8, 9]]
    assert len(sample_sizes(table.subset([1]))) == 1
    assert sample_sizes(table.subset([0])).shape == (0, 2)


def test_what_is_said_must_be_so_and_what_is_not_said_is_found():
    square, mixed = np.array([[8, 8]] * 3), np.array([[8, 8], [8, 8], [8, 9]])
    assert settle_patch_size(8, square, 'x')[0] == settle_patch_size(None, square, 'x')[0] == 8
    with pytest.raises(DataError, match=r'--patch-size is 300, but of 3 .* 8 × 8 \(3 images\)'):
        settle_patch_size(300, square, 'x')
    with pytest.raises(DataError, match=r'8 × 8 \(2 images\), 8 × 9 \(1 images\)'):
        settle_patch_size(8, mixed, 'x')
    size, line = settle_patch_size(None, mixed, 'x')
    assert size is None and line.startswith('warning: patch size not recorded')
    assert settle_patch_size(None, np.array([[8, 9]]), 'x')[0] is None
