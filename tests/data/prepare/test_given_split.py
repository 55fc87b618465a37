from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.data import PatchTable
from cite.data.prepare.given_split import given_split, sides_of
from cite.errors import DataError


def make(train, held_out, patients=None, order=None):
    """`train` and `held_out`: class -> slides."""
    rows = [
        (f'{name}{side}{slide}_{k}.jpg', label, f'{name}{side}{slide}', side == 'v')
        for side, counts in (('t', train), ('v', held_out))
        for label, name in enumerate('ab')
        for slide in range(counts[name])
        for k in range(2)
    ]
    rows = rows if order is None else [rows[i] for i in order(len(rows))]
    files, labels, slides, mask = zip(*rows, strict=True)
    owners = None if patients is None else [patients(slide) for slide in slides]
    return PatchTable(files, labels, slides, ('a', 'b'), Path(), owners, 'made'), mask


sizes = st.fixed_dictionaries({'a': st.integers(1, 9), 'b': st.integers(1, 9)})


@settings(max_examples=40, deadline=None)
@given(sizes, sizes, st.integers(0, 99), st.randoms())
def test_the_sides_are_kept_and_shots_come_from_training(train, held_out, seed, shuffler):
    def shuffled(n):
        order = list(range(n))
        shuffler.shuffle(order)
        return order

    most = min(train.values())
    table, mask = make(train, held_out)
    split = given_split(table, mask, ['all', 1, most], seed)
    mixed, mixed_mask = make(train, held_out, order=shuffled)
    assert given_split(mixed, mixed_mask, ['all', 1, most], seed).hash == split.hash
    for name in 'ab':
        assert set(split.evaluation[name]) == {f'{name}v{i}' for i in range(held_out[name])}
        assert set(split.train['all'][name]) == {f'{name}t{i}' for i in range(train[name])}
        assert split.train[str(most)][name] == split.train['all'][name][:most]


def test_the_seed_draws():
    table, mask = make({'a': 9, 'b': 9}, {'a': 1, 'b': 1})
    drawn = {given_split(table, mask, [2], seed).train['2']['a'] for seed in range(20)}
    assert len(drawn) > 12


def test_the_shots_of_a_seed_stay():
    """Recorded: a change would silently change every study."""
    table, mask = make({'a': 9, 'b': 9}, {'a': 1, 'b': 1}, lambda slide: slide[::-1])
    assert given_split(table, mask, [3], seed=3).train['3'] == {
        'a': ('at4', 'at1', 'at3'),
        'b': ('bt0', 'bt5', 'bt7'),
    }


def test_sides_that_cannot_be():
    table, mask = make({'a': 2, 'b': 2}, {'a': 1, 'b': 1})
    with pytest.raises(DataError, match=r"3 shots need 3 .*'a' has 2.*ask for fewer shots$"):
        given_split(table, mask, [3])
    with pytest.raises(DataError, match=r"no evaluation slides of \['b'\]"):
        given_split(*make({'a': 2, 'b': 2}, {'a': 1, 'b': 0}), [1])
    with pytest.raises(DataError, match=r'slides on both sides.*: at0$'):
        given_split(table, np.array(mask) | (np.arange(len(table)) == 0), [1])
    person = {'at0': 'p', 'av0': 'p'}
    table, mask = make({'a': 2, 'b': 2}, {'a': 1, 'b': 1}, lambda slide: person.get(slide, slide))
    with pytest.raises(DataError, match=r'patients on both sides.*: p$'):
        given_split(table, mask, [1])


def test_test_rows_evaluate_and_val_rows_only_without_them():
    training, held_out = sides_of(['train', 'val', 'test'], 'm.csv')
    assert (training.tolist(), held_out.tolist()) == ([True, False, False], [False, False, True])
    assert sides_of(['train', 'val'], 'm.csv')[1].tolist() == [False, True]
    for values in (['train'], ['val', 'test'], ['train', 'val', ''], ['train', 'held-out']):
        with pytest.raises(DataError, match=r'm\.csv: a split column holds train'):
            sides_of(values, 'm.csv')
