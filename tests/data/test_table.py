from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from cite.data import PatchTable
from cite.errors import DataError


def make(**changes):
    columns = dict(
        files=['b/3.jpg', 'a/1.jpg', 'a/2.jpg', 'b/4.jpg'],
        labels=[1, 0, 0, 1],
        slides=['s3', 's1', 's1', 's2'],
        classes=('low', 'high'),
        root=Path('/data'),
        source='here.csv',
    )
    return PatchTable(**{**columns, **changes})


def test_columns_counts_and_paths():
    table = make()
    assert len(table) == 4
    assert table.labels.dtype == np.int64
    assert table.path(1) == Path('/data/a/1.jpg')
    assert make(files=['/x/1.jpg', '2', '3', '4']).path(0) == Path('/x/1.jpg')
    assert table.counts() == {'low': (2, 1), 'high': (2, 2)}
    assert table.slides_of('high') == table.slides_of(1) == ('s2', 's3')
    with pytest.raises(DataError, match='no class'):
        table.slides_of('middle')


def test_subset_and_sorted_move_every_column():
    table = make(patients=['p3', 'p1', 'p1', 'p2']).sorted()
    assert table.files.tolist() == ['a/1.jpg', 'a/2.jpg', 'b/3.jpg', 'b/4.jpg']
    assert table.slides.tolist() == ['s1', 's1', 's3', 's2']
    assert table.patients.tolist() == ['p1', 'p1', 'p3', 'p2']
    assert table.labels.tolist() == [0, 0, 1, 1]
    assert table.subset(table.labels == 1).files.tolist() == ['b/3.jpg', 'b/4.jpg']
    assert len(table.subset([])) == 0


def test_a_table_is_not_changed_by_accident():
    labels = np.array([1, 0, 0, 1])
    table = make(labels=labels)
    labels[0] = 0
    assert table.labels[0] == 1
    with pytest.raises(ValueError, match='read-only'):
        table.labels[0] = 0
    with pytest.raises(AttributeError):
        table.classes = ('a', 'b')


def test_a_table_pickles_to_workers():
    copy = pickle.loads(pickle.dumps(make()))
    assert copy.files.tolist() == make().files.tolist()
    assert copy.classes == ('low', 'high')


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(files=['a', 'b', 'a', 'c']), 'more than once: a'),
        (dict(labels=[1, 0, 0, 2]), 'labels must be 0 to 1, found 2'),
        (dict(labels=[1, 0, 0, -1]), 'found -1'),
        (dict(classes=('low', 'high', 'none')), 'classes without patches: none'),
        (dict(labels=[1, 0, 1, 1]), r's1 \(low and high\)'),
        (dict(patients=['p', 'p', 'q', 'q']), 'one patient.*s1'),
    ],
)
def test_check_names_what_is_wrong(changes, message):
    make().check()
    with pytest.raises(DataError, match=message) as caught:
        make(**changes).check()
    assert 'here.csv' in str(caught.value)


def test_an_empty_class_may_be_allowed():
    make(classes=('low', 'high', 'none')).check(require_every_class=False)


@pytest.mark.parametrize(
    'changes',
    [
        dict(labels=[0, 1]),
        dict(labels=[0.5, 1, 1, 0]),
        dict(classes=('a', 'a')),
        dict(slides=['s']),
    ],
)
def test_columns_that_do_not_fit_are_refused(changes):
    with pytest.raises(DataError):
        make(**changes)


def test_missing_files_are_named_and_counted(tmp_path):
    (tmp_path / 'f0.jpg').touch()
    files = [f'f{i}.jpg' for i in range(9)]
    table = PatchTable(files, [0] * 9, ['s'] * 9, ('c',), tmp_path)
    with pytest.raises(DataError, match=r'8 of 9 .*f1.jpg, .*f5.jpg \.\.\. \(8 in all\)'):
        table.check_files()
    table.subset([0]).check_files()


def test_many_rows_are_cheap():
    n = 50_000
    files = [f'p/{i % 700:032x}_{i:016x}.jpg' for i in range(n)]
    slides = [f'{i % 700:032x}' for i in range(n)]
    table = PatchTable(files, np.arange(n) % 700 % 3, slides, ('a', 'b', 'c'), Path())
    table.check()
    assert sum(count.slides for count in table.counts().values()) == 700
    assert len(pickle.dumps(table)) < n * 500
