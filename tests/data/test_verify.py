from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cite.data import PatchTable, verify_images


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))


@pytest.mark.parametrize('workers', [1, 3])
def test_verify_lists_every_bad_file_in_order(tmp_path, picture, workers):
    files = [f's_{i:02}.png' for i in range(40)]
    for i, file in enumerate(files):
        picture.save(tmp_path / file)
        if i in (7, 31):
            (tmp_path / file).write_bytes(b'no image')
    (tmp_path / files[20]).unlink()
    table = PatchTable(files, [0] * 40, ['s'] * 40, ('c',), tmp_path)
    bad = verify_images(table, workers=workers, progress=False)
    assert [entry.file for entry in bad] == ['s_07.png', 's_20.png', 's_31.png']
    assert 'no such file' in bad[1].reason
