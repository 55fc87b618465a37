"""Whole synthetic slides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from drawn_sets import rows
from PIL import Image

from cite.data.synthetic import write_patchgastric, write_slides

SIDE = 600


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_slides(tmp_path_factory.mktemp('made') / 'set', 1, SIDE, progress=False)


def test_the_table_names_files_labels_and_captions(root: Path) -> None:
    table = rows(root / 'slides.csv')
    assert list(table[0]) == ['slide', 'file', 'label', 'caption']
    assert len(table) == 3
    for row in table:
        with Image.open(root / row['file']) as image:
            assert (image.format, image.size, image.n_frames) == ('TIFF', (SIDE, SIDE), 2)
            assert 10000 / float(image.tag_v2[282]) == pytest.approx(0.75)
        assert row['file'] == f'slides/{row["slide"]}.tif'


def test_slides_are_those_of_the_patchgastric_layout(root: Path, tmp_path: Path) -> None:
    other = write_patchgastric(tmp_path / 'set', 1, 1, size=64, progress=False)
    found = [(row['slide'], row['label'], row['caption']) for row in rows(root / 'slides.csv')]
    assert found == [(r['id'], r['subtype'], r['text']) for r in rows(other / 'captions.csv')]


def test_tissue_lies_on_bare_glass(root: Path) -> None:
    for path in (root / 'slides').iterdir():
        with Image.open(path) as image:
            pixels = np.asarray(image)
        border = np.concatenate([pixels[:4].reshape(-1, 3), pixels[-4:].reshape(-1, 3)])
        assert np.median(border) > 225
        middle = pixels[SIDE // 3 : -SIDE // 3, SIDE // 3 : -SIDE // 3]
        assert middle.mean() < 215
