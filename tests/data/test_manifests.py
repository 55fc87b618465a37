from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cite.atomic import write_text
from cite.data import PatchTable, Split, few_shot_split, read_csv, write_split
from cite.errors import DataError


def make(root, with_patients=False):
    slides = [f's{i:02}' for i in range(12) for _ in range(3)]
    files = [f'dir, "x"/{slide}_{i}.jpg' for i, slide in enumerate(slides)][::-1]
    labels = [int(slide[1:]) % 2 for slide in slides][::-1]
    patients = [f'p{slide}' for slide in slides][::-1] if with_patients else None
    return PatchTable(files, labels, slides[::-1], ('well', 'poor'), root, patients, 'made')


@pytest.mark.parametrize('with_patients', [False, True])
def test_what_is_written_reads_back_as_the_parts(tmp_path, with_patients):
    table = make(tmp_path / 'images', with_patients)
    split = few_shot_split(table, [1, 'all'], 0.5)
    counts = write_split(table, split, tmp_path / 'out')
    written = {path.name for path in (tmp_path / 'out').iterdir()}
    assert written == {'split.json', 'val.csv', 'train_1.csv', 'train_all.csv'}
    assert Split.load(tmp_path / 'out' / 'split.json') == split
    for part in split.parts:
        rows = read_csv(tmp_path / 'out' / f'{part}.csv', table.root, table.classes)
        expected = split.select(table, part).sorted()
        for column in ('files', 'labels', 'slides', 'patients'):
            got, want = getattr(rows, column), getattr(expected, column)
            assert np.array_equal(got, want), column
    assert ('val', 'well', 3, 9) in counts
    assert ('train_1', 'poor', 1, 3) in counts
    assert [count.part for count in counts[::2]] == ['val', 'train_1', 'train_all']


def test_the_split_column_tells_the_side(tmp_path):
    table = make(tmp_path)
    write_split(table, few_shot_split(table, [1], 0.5), tmp_path)
    assert len(read_csv(tmp_path / 'val.csv', split='val')) == 18
    assert len(read_csv(tmp_path / 'train_1.csv', split='train')) == 6


def test_writing_twice_gives_the_same_bytes(tmp_path):
    table = make(tmp_path)
    for folder, rows in (('a', table), ('b', table.sorted())):
        write_split(rows, few_shot_split(rows, [1], 0.5), tmp_path / folder)
    for path in (tmp_path / 'a').iterdir():
        assert path.read_bytes() == (tmp_path / 'b' / path.name).read_bytes()


def test_a_split_of_other_data_is_not_written(tmp_path):
    table = make(tmp_path)
    split = few_shot_split(table, [1], 0.5)
    renamed = PatchTable(table.files, table.labels, table.slides, ('x', 'y'), tmp_path)
    with pytest.raises(DataError, match='the split is of classes'):
        write_split(renamed, split, tmp_path / 'out')
    with pytest.raises(DataError, match='other data'):
        write_split(table.subset(range(6)), split, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    write_text(tmp_path / 'a.txt', 'old')

    def fail(self, target):
        raise OSError('disk full')

    monkeypatch.setattr(Path, 'replace', fail)
    with pytest.raises(OSError, match='disk full'):
        write_text(tmp_path / 'a.txt', 'new')
    assert (tmp_path / 'a.txt').read_text() == 'old'
    assert [path.name for path in tmp_path.iterdir()] == ['a.txt']
