from __future__ import annotations

import pickle

import numpy as np
import pytest

from cite.data import PairTable
from cite.errors import DataError

FILES = ('b.jpg', 'a.jpg', 'c.jpg')
CAPTIONS = ('Small ducts.', 'large ducts', 'small  ducts')


def table(**columns):
    given = {'files': FILES, 'captions': CAPTIONS, 'slides': ('s', 't', 's'), 'root': '.'}
    return PairTable(**{**given, **columns})


def test_groups_come_from_the_texts():
    pairs = table()
    assert pairs.groups.dtype == np.int64 and pairs.groups.tolist() == [1, 0, 1]
    assert pairs.captions[0] == 'Small ducts.'  # as written
    assert len(pairs) == 3 and not pairs.held_out
    pairs.check()


def test_rows_go_together_and_keep_their_groups():
    pairs = table(part='train_2', split_hash='0f')
    first = pairs.sorted()
    assert first.files.tolist() == ['a.jpg', 'b.jpg', 'c.jpg']
    assert first.captions.tolist() == ['large ducts', 'Small ducts.', 'small  ducts']
    assert first.slides.tolist() == ['t', 's', 's'] and first.groups.tolist() == [0, 1, 1]
    last = pairs.subset([False, False, True])
    assert last.groups.tolist() == [1] and (last.part, last.split_hash) == ('train_2', '0f')
    assert len(pairs.subset([])) == 0
    last.check()


def test_columns_are_locked_and_captions_shared():
    pairs = table(captions=[f'text {i}' * 100 for i in (1, 2, 1)])
    assert pairs.captions[0] is pairs.captions[2]
    with pytest.raises(ValueError, match='read-only'):
        pairs.captions[0] = 'other'
    assert len(pickle.dumps(pairs)) < 3000


@pytest.mark.parametrize(
    ('columns', 'message'),
    [
        ({'files': ('a.jpg', 'a.jpg', 'c.jpg')}, 'more than once: a.jpg'),
        ({'captions': ('x', ' .', 'y')}, 'without words, of a.jpg'),
        ({'groups': (1, 0, 2)}, 'one number for each text'),
        ({'groups': (0, 0, 0)}, 'one number for each text'),
        ({'files': (), 'captions': (), 'slides': ()}, 'no pairs'),
    ],
)
def test_tables_that_contradict_themselves(columns, message):
    with pytest.raises(DataError, match=message):
        table(**columns).check()


def test_columns_that_do_not_fit():
    with pytest.raises(DataError, match='one length'):
        table(slides=('s',))
    with pytest.raises(DataError, match='whole numbers'):
        table(groups=(0.5, 1, 2))


def test_missing_files_are_named(tmp_path):
    (tmp_path / 'a.jpg').touch()
    with pytest.raises(DataError, match=r'2 of 3 files.*b\.jpg, c\.jpg'):
        table(root=tmp_path).check_files()


def test_the_evaluation_part_says_so():
    assert table(part='val').held_out
