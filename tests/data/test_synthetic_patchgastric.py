"""The synthetic set as PatchGastric is shipped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_sets import rows
from PIL import Image

from cite.data import read_patchgastric
from cite.data.synthetic import write_patchgastric

SMALL: dict[str, Any] = {
    'slides_per_class': 2,
    'patches_per_slide': 2,
    'size': 64,
    'progress': False,
}


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_patchgastric(tmp_path_factory.mktemp('made') / 'set', **SMALL)


def test_layout_is_patchgastrics(root: Path) -> None:
    table = rows(root / 'captions.csv')
    assert list(table[0]) == ['id', 'subtype', 'text']
    assert len({row['id'] for row in table}) == 6
    patches = sorted(path.name for path in (root / 'patches_captions').iterdir())
    assert len(patches) == 12
    for name in patches:
        match = re.fullmatch(r'([0-9a-f]{32})_([0-9a-f]{32})\.jpg', name)
        assert match and match[1] in {row['id'] for row in table}
    with Image.open(root / 'patches_captions' / patches[0]) as image:
        assert (image.format, image.mode, image.size) == ('JPEG', 'RGB', (64, 64))


def test_the_patchgastric_reader_takes_it(root: Path) -> None:
    table, report = read_patchgastric(root)
    assert len(table) == 12
    assert not report.left_out and not report.patches_without_slide
    assert not report.slides_without_patches
    assert [(count.patches, count.slides) for count in report.found.values()] == [(4, 2)] * 3


@pytest.mark.parametrize('population', ['any', 'seen', 'unseen'])
def test_poorly_differentiated_slides_are_solid_and_non_solid(
    tmp_path: Path, population: Any
) -> None:
    few = {**SMALL, 'patches_per_slide': 1, 'population': population}
    table = rows(write_patchgastric(tmp_path / 'set', **few) / 'captions.csv')
    assert sorted(row['subtype'] for row in table) == [
        'Moderately differentiated tubular adenocarcinoma',
        'Moderately differentiated tubular adenocarcinoma',
        'Poorly differentiated adenocarcinoma, non-solid type',
        'Poorly differentiated adenocarcinoma, solid type',
        'Well differentiated tubular adenocarcinoma',
        'Well differentiated tubular adenocarcinoma',
    ]


def test_more_slides_leave_the_captions_of_the_others(root: Path, tmp_path: Path) -> None:
    more = write_patchgastric(tmp_path / 'more', **{**SMALL, 'slides_per_class': 3})
    known = rows(root / 'captions.csv')
    ids = [row['id'] for row in known]
    assert [row for row in rows(more / 'captions.csv') if row['id'] in ids] == known


def test_default_patch_is_300_pixels_of_pink_and_blue(tmp_path: Path) -> None:
    made = write_patchgastric(tmp_path / 'set', 1, 1, progress=False)
    for path in (made / 'patches_captions').iterdir():
        with Image.open(path) as image:
            pixels = np.asarray(image).astype(float)
        assert pixels.shape == (300, 300, 3)
        red, green, blue = pixels.mean((0, 1))
        assert green < min(red, blue) - 10
        assert pixels.std() > 20
