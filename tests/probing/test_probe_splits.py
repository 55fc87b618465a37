"""Which rows of a manifest make a set, and which are left."""

from __future__ import annotations

import pytest

from cite.errors import DataError
from cite.probing.splits import split_counts, split_of, unused_rows


@pytest.fixture
def manifest(tmp_path):
    def write(name, *splits):
        file = tmp_path / name
        file.write_text(
            'file,label,split\n' + ''.join(f'{n}.png,a,{s}\n' for n, s in enumerate(splits))
        )
        return file

    return write


def test_rows_are_counted(manifest, tmp_path):
    assert split_counts([manifest('a.csv', 'val', 'train', '', 'val')]) == {
        '': 1,
        'train': 1,
        'val': 2,
    }
    assert split_counts([manifest('b.csv', '', '')]) == {}
    bare = tmp_path / 'c.csv'
    bare.write_text('file,label\n0.png,a\n')
    assert split_counts([bare]) == split_counts([tmp_path]) == split_counts([bare, bare]) == {}


def test_the_set_s_own_name_or_the_only_one_is_taken(manifest):
    file = manifest('a.csv')
    assert split_of(file, {'holdout': 3, 'test': 2}, 'test') == 'test'
    assert split_of(file, {'val': 2, 'x': 1}, 'validation') == 'val'
    assert split_of(file, {'holdout': 3}, 'test') == 'holdout'
    assert split_of(file, {}, 'test') is None
    for counts in ({'holdout': 3, 'val': 2}, {'': 1, 'holdout': 3}):
        with pytest.raises(DataError, match=r'no split test .*holdout \(3\)'):
            split_of(file, counts, 'test')


def test_what_is_left_is_counted(manifest):
    one, other = manifest('a.csv'), manifest('b.csv')
    files = {one: {'train': 4, 'test': 2, '': 1}, other: {'test': 3}}
    taken = [(one, 'train'), (other, 'test')]
    assert unused_rows(files, taken) == {str(one): {'test': 2, '': 1}}
