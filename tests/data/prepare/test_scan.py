from __future__ import annotations

import numpy as np
import pytest
from pictures import tissue
from PIL import Image

from cite.data import PatchTable
from cite.data.prepare.fingerprint import fingerprint
from cite.data.prepare.scan import scan_images


@pytest.fixture
def table(tmp_path):
    files = [f's_{i:02}.png' for i in range(24)]
    for i, file in enumerate(files):
        tissue(i, 20 + i).save(tmp_path / file)
    (tmp_path / files[5]).write_bytes(b'no image')
    return PatchTable(files, [0] * 24, ['s'] * 24, ('c',), tmp_path)


def test_rows_are_those_of_the_table_whatever_the_number_of_threads(table):
    one, four = (scan_images(table, workers, progress=False) for workers in (1, 4))
    for name in ('sizes', 'digests', 'grids', 'spreads'):
        assert np.array_equal(getattr(one, name), getattr(four, name)), name
    assert [entry.file for entry in one.bad] == [entry.file for entry in four.bad] == ['s_05.png']
    assert one.sizes[7].tolist() == [27, 27] and one.sizes[5].tolist() == [0, 0]
    mark = fingerprint(np.asarray(Image.open(table.path(7))))
    assert one.digests[7].tobytes() == mark.digest and one.spreads[7] == mark.spread


def test_subset(table):
    scan = scan_images(table, progress=False)
    kept = scan.subset(scan.sizes[:, 0] > 0)
    assert len(kept.spreads) == len(kept.grids) == 23
    assert np.array_equal(kept.digests[5], scan.digests[6])
