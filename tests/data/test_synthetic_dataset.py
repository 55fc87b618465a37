from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cite.data import read_patchgastric
from cite.data.synthetic import write_patchgastric
from cite.errors import CiteError, ConfigError, DataError

SMALL: dict[str, Any] = {
    'slides_per_class': 2,
    'patches_per_slide': 2,
    'size': 64,
    'progress': False,
}


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_patchgastric(tmp_path_factory.mktemp('made') / 'set', **SMALL)


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def captions(folder: Path) -> list[dict[str, str]]:
    with (folder / 'captions.csv').open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def test_layout_is_patchgastrics(root: Path) -> None:
    rows = captions(root)
    assert list(rows[0]) == ['id', 'subtype', 'text']
    assert len({row['id'] for row in rows}) == 6
    patches = sorted(path.name for path in (root / 'patches_captions').iterdir())
    assert len(patches) == 12
    for name in patches:
        match = re.fullmatch(r'([0-9a-f]{32})_([0-9a-f]{32})\.jpg', name)
        assert match and match[1] in {row['id'] for row in rows}
    with Image.open(root / 'patches_captions' / patches[0]) as image:
        assert (image.format, image.mode, image.size) == ('JPEG', 'RGB', (64, 64))


def test_the_patchgastric_reader_takes_it(root: Path) -> None:
    table, report = read_patchgastric(root)
    assert len(table) == 12
    assert not report.left_out and not report.patches_without_slide
    assert not report.slides_without_patches
    assert [(count.patches, count.slides) for count in report.found.values()] == [(4, 2)] * 3


def test_poorly_differentiated_slides_are_solid_and_non_solid(root: Path) -> None:
    subtypes = sorted(row['subtype'] for row in captions(root))
    assert subtypes == [
        'Moderately differentiated tubular adenocarcinoma',
        'Moderately differentiated tubular adenocarcinoma',
        'Poorly differentiated adenocarcinoma, non-solid type',
        'Poorly differentiated adenocarcinoma, solid type',
        'Well differentiated tubular adenocarcinoma',
        'Well differentiated tubular adenocarcinoma',
    ]


def test_marker_says_that_it_is_synthetic(root: Path) -> None:
    about = json.loads((root / 'dataset.json').read_text(encoding='utf-8'))
    assert about['note'] == 'synthetic: procedurally drawn, no patient'
    assert (about['seed'], about['slides'], about['patches'], about['size']) == (0, 6, 12, 64)
    assert about['version'] == 1


def test_workers_and_set_size_do_not_change_a_patch(root: Path, tmp_path: Path) -> None:
    more = {**SMALL, 'slides_per_class': 3, 'patches_per_slide': 3}
    larger = contents(write_patchgastric(tmp_path / 'larger', **more, workers=2))
    patches = {k: v for k, v in contents(root).items() if k.startswith('patches_captions/')}
    assert len(patches) == 12
    assert patches.items() <= larger.items()
    rows = [row['id'] for row in captions(root)]
    assert [r for r in captions(tmp_path / 'larger') if r['id'] in rows] == captions(root)


def test_another_seed_is_another_set(root: Path, tmp_path: Path) -> None:
    one = {**SMALL, 'slides_per_class': 1, 'patches_per_slide': 1}
    other = contents(write_patchgastric(tmp_path / 'other', **one, seed=1))
    assert not set(contents(root)) & {name for name in other if name.endswith('.jpg')}
    pictures = {v for name, v in other.items() if name.endswith('.jpg')}
    assert len(pictures) == 3
    assert not pictures & set(contents(root).values())


def test_an_interrupted_set_is_continued_and_a_complete_one_left_alone(
    root: Path, tmp_path: Path
) -> None:
    again = write_patchgastric(tmp_path / 'set', **SMALL)
    before = contents(again)
    assert before == contents(root)
    lost = sorted((again / 'patches_captions').iterdir())[3]
    lost.unlink()
    (again / 'captions.csv').unlink()
    kept = sorted((again / 'patches_captions').iterdir())[0]
    times = kept.stat().st_mtime_ns
    write_patchgastric(again, **SMALL)
    assert contents(again) == before
    assert kept.stat().st_mtime_ns == times
    all_times = {path: path.stat().st_mtime_ns for path in again.rglob('*')}
    write_patchgastric(again, **SMALL)
    assert {path: path.stat().st_mtime_ns for path in again.rglob('*')} == all_times


@pytest.mark.parametrize('marker', [None, '{}', '[1]', 'no json'])
def test_a_folder_of_something_else_is_refused_and_kept(tmp_path: Path, marker: str | None) -> None:
    (tmp_path / 'captions.csv').write_text('the real one')
    if marker is not None:
        (tmp_path / 'dataset.json').write_text(marker)
    before = contents(tmp_path)
    with pytest.raises(DataError, match='not a synthetic set'):
        write_patchgastric(tmp_path, **SMALL)
    assert contents(tmp_path) == before


def test_other_parameters_are_refused_by_name(root: Path) -> None:
    before = contents(root)
    with pytest.raises(DataError, match='seed 0, not 5'):
        write_patchgastric(root, **SMALL, seed=5)
    with pytest.raises(DataError, match='slides_per_class 2, not 3'):
        write_patchgastric(root, **{**SMALL, 'slides_per_class': 3})
    assert contents(root) == before


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('x')
    with pytest.raises(CiteError, match='is a file'):
        write_patchgastric(tmp_path / 'file', **SMALL)


@pytest.mark.parametrize(
    'wrong',
    [
        {'slides_per_class': 0},
        {'patches_per_slide': 1.5},
        {'size': 32},
        {'seed': -1},
        {'workers': 0},
    ],
)
def test_arguments_out_of_range(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        write_patchgastric(tmp_path / 'set', **{**SMALL, **wrong})
    assert not (tmp_path / 'set').exists()


def test_default_patch_is_300_pixels_of_pink_and_blue(tmp_path: Path) -> None:
    made = write_patchgastric(tmp_path / 'set', 1, 1, progress=False)
    for path in (made / 'patches_captions').iterdir():
        with Image.open(path) as image:
            pixels = np.asarray(image).astype(float)
        assert pixels.shape == (300, 300, 3)
        red, green, blue = pixels.mean((0, 1))
        assert green < min(red, blue) - 10
        assert pixels.std() > 20
