"""Synthetic patches with a caption each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from drawn_sets import contents, rows

from cite.data import read_pairs_csv
from cite.data.synthetic import write_pairs, write_patchgastric
from cite.data.synthetic.cases import cases
from cite.data.synthetic.terms import FINDINGS


@pytest.fixture(scope='module')
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('made') / 'set'
    return write_pairs(folder, 3, 4, size=64, progress=False)


def test_the_pairs_reader_takes_it(root: Path) -> None:
    table = read_pairs_csv(root / 'pairs.csv')
    table.check_files()
    assert len(table) == 3 * 3 * 4
    assert Counter(Counter(table.slides.tolist()).values()) == {4: 9}
    for file, slide in zip(table.files, table.slides, strict=True):
        assert file.startswith(f'images/{slide}_')
    assert len(set(table.captions)) > 30, 'captions are of patches, not of slides'


def test_grade_and_findings_are_those_of_the_patch(root: Path) -> None:
    table = {row['file']: row for row in rows(root / 'pairs.csv')}
    header = ['file', 'caption', 'slide', 'grade', *FINDINGS]
    assert all(list(row) == header for row in table.values())
    for case in cases(0, 'any', 3):
        slide = case.open()
        for number in range(4):
            row, patch = table[f'images/{case.id}_{number}.jpg'], slide.patch_attributes(number)
            assert row['grade'] == patch.grade.name.lower()
            for name, shows in FINDINGS.items():
                assert row[name] == str(int(shows(patch))), name
    for name in FINDINGS:
        assert {row[name] for row in table.values()} <= {'0', '1'}
    assert {row['grade'] for row in table.values()} == {'well', 'moderately', 'poorly'}


def test_captions_do_not_depend_on_how_many_there_are(root: Path, tmp_path: Path) -> None:
    few = rows(write_pairs(tmp_path / 'few', 2, 3, size=64, progress=False) / 'pairs.csv')
    known = rows(root / 'pairs.csv')
    assert len(few) == 18
    assert all(row in known for row in few)


def test_patches_are_those_of_the_patchgastric_layout(root: Path, tmp_path: Path) -> None:
    other = write_patchgastric(tmp_path / 'set', 3, 4, size=64, progress=False)
    drawn = [sorted(v for k, v in contents(folder).items() if '/' in k) for folder in (root, other)]
    assert drawn[0] == drawn[1]
