from __future__ import annotations

import dataclasses
import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.data import PatchTable, Split, few_shot_split
from cite.errors import ConfigError, DataError

quick = settings(max_examples=40, deadline=None)
NAMES = ('well', 'moderately', 'poorly', 'other')


def make(slides_per_class, patches=2, patients=None, order=None):
    """`patients`: slide -> patient."""
    rows = [
        (f'{name}{slide}_{patch}.jpg', label, f'{name}{slide}')
        for label, (name, count) in enumerate(slides_per_class.items())
        for slide in range(count)
        for patch in range(patches)
    ]
    rows = rows if order is None else [rows[i] for i in order(len(rows))]
    files, labels, slides = zip(*rows, strict=True)
    owners = None if patients is None else [patients(slide) for slide in slides]
    return PatchTable(files, labels, slides, tuple(slides_per_class), Path(), owners, 'made')


sizes = st.lists(st.integers(6, 30), min_size=1, max_size=4).map(
    lambda counts: dict(zip(NAMES, counts, strict=False))
)


@quick
@given(sizes, st.integers(0, 2**33), st.floats(0.05, 0.8))
def test_sides_are_disjoint_complete_nested_and_of_the_asked_size(counts, seed, fraction):
    split = few_shot_split(make(counts), [1, 'all'], fraction, seed)
    split = few_shot_split(make(counts), ['all', 1, *range(1, _fewest(split) + 1)], fraction, seed)
    for name, count in counts.items():
        everything = {f'{name}{i}' for i in range(count)}
        held_out, training = set(split.evaluation[name]), set(split.train['all'][name])
        assert held_out | training == everything
        assert not held_out & training
        assert abs(len(held_out) - fraction * count) <= 1
        for k in range(1, _fewest(split) + 1):
            drawn = split.train[str(k)][name]
            assert len(drawn) == k
            assert drawn == split.train['all'][name][:k]
    assert split.parts == (
        'val',
        *(f'train_{k}' for k in range(1, _fewest(split) + 1)),
        'train_all',
    )


def _fewest(split):
    return min(len(slides) for slides in split.train['all'].values())


@quick
@given(sizes, st.integers(0, 99), st.randoms())
def test_row_order_does_not_matter(counts, seed, shuffler):
    def shuffled(n):
        order = list(range(n))
        shuffler.shuffle(order)
        return order

    assert few_shot_split(make(counts, order=shuffled), [1], seed=seed) == few_shot_split(
        make(counts), [1], seed=seed
    )


@quick
@given(
    st.integers(8, 25),
    st.integers(8, 25),
    st.integers(2, 5),
    st.booleans(),
    st.integers(0, 99),
)
def test_patients_stay_on_one_side(first, second, per_patient, across_classes, seed):
    def patient(slide):
        number = int(slide.lstrip('abcdefghijklmnopqrstuvwxyz')) // per_patient
        return f'p{number}' if across_classes else f'{slide[0]}{number}'

    table = make({'well': first, 'poorly': second}, patients=patient)
    try:
        split = few_shot_split(table, [1, 'all'], 0.5, seed)
    except DataError as error:
        assert 'patients, too few' in str(error)
        assert across_classes or min(first, second) <= 2 * per_patient
        return
    held_out = {patient(s) for slides in split.evaluation.values() for s in slides}
    training = {patient(s) for slides in split.train['all'].values() for s in slides}
    assert held_out
    assert training
    assert not held_out & training


def test_a_class_does_not_change_the_split_of_another():
    two = few_shot_split(make({'well': 10, 'poorly': 9}), [1, 'all'], 0.5)
    three = few_shot_split(make({'other': 7, 'well': 10, 'poorly': 9}), [1, 'all'], 0.5)
    assert three.evaluation['well'] == two.evaluation['well']
    assert three.train['all']['poorly'] == two.train['all']['poorly']


def test_seeds_differ_and_slides_do_not_go_by_name_or_size():
    table = make({'well': 20})
    drawn = {few_shot_split(table, [2], 0.5, seed).train['2']['well'] for seed in range(20)}
    assert len(drawn) > 15
    assert {slide for slides in drawn for slide in slides} > {'well0', 'well19'}


def test_the_split_of_a_seed_stays():
    """Recorded: a change would silently change every study."""
    split = few_shot_split(make({'well': 10, 'poorly': 8}), [1, 2], 0.8, seed=3)
    assert split.train['2'] == {'well': ('well8', 'well6'), 'poorly': ('poorly7', 'poorly1')}
    assert split.hash.startswith('a09b1e1b2645ba08')


def test_too_few_slides_are_named():
    with pytest.raises(DataError, match="'poorly' has 1 slides, too few"):
        few_shot_split(make({'well': 5, 'poorly': 1}), [1])
    with pytest.raises(DataError, match=r"3 shots need 3 .*'poorly' has 2; ask for fewer"):
        few_shot_split(make({'well': 20, 'poorly': 10}), [1, 3])
    with pytest.raises(DataError, match="'well' has 1 patients"):
        few_shot_split(make({'well': 5}, patients=lambda slide: 'p'), [1])


def test_one_slide_is_kept_for_each_side():
    split = few_shot_split(make({'well': 2}), [1], eval_fraction=0.99)
    assert len(split.evaluation['well']) == len(split.train['1']['well']) == 1
    split = few_shot_split(make({'well': 9}), [1], eval_fraction=0.01)
    assert len(split.evaluation['well']) == 1


@pytest.mark.parametrize(
    'settings_',
    [
        dict(shots=[]),
        dict(shots=[0]),
        dict(shots=['some']),
        dict(shots=[1.5]),
        dict(shots=[1], eval_fraction=1),
        dict(shots=[1], eval_fraction=0),
        dict(shots=[1], seed=-1),
    ],
)
def test_settings_out_of_range_are_refused(settings_):
    with pytest.raises(ConfigError):
        few_shot_split(make({'well': 5}), **settings_)


def test_a_table_that_contradicts_itself_is_not_split():
    table = PatchTable(['a', 'b'], [0, 1], ['s', 's'], ('x', 'y'), Path())
    with pytest.raises(DataError, match='one class'):
        few_shot_split(table, [1])


# On disk


def test_saved_splits_come_back(tmp_path):
    split = few_shot_split(make({'well': 9, 'é, "x"': 8}), [2, 1, 'all'], 0.6, 11)
    split.save(tmp_path / 'new' / 'split.json')
    loaded = Split.load(tmp_path / 'new' / 'split.json')
    assert loaded == split
    assert loaded.hash == split.hash
    assert loaded.parts == split.parts
    assert [path.name for path in (tmp_path / 'new').iterdir()] == ['split.json']


def test_every_field_is_in_the_hash():
    split = few_shot_split(make({'well': 9, 'poorly': 8}), [1])
    changed = [
        dataclasses.replace(split, seed=1),
        dataclasses.replace(split, eval_fraction=0.7),
        dataclasses.replace(split, classes=('poorly', 'well')),
        dataclasses.replace(split, evaluation={**split.evaluation, 'well': ('well0',)}),
        dataclasses.replace(split, train={'1': {**split.train['1'], 'well': ('other',)}}),
    ]
    assert len({entry.hash for entry in (split, *changed)}) == 6


def test_edited_and_foreign_files_are_refused(tmp_path):
    path = tmp_path / 'split.json'
    few_shot_split(make({'well': 9}), [1]).save(path)
    content = json.loads(path.read_text())
    moved = content['evaluation']['well'].pop()
    content['train']['1']['well'].append(moved)
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=r'split\.json: edited or damaged'):
        Split.load(path)
    for text in ('', '[]', '{}', '{"seed": 0}', 'null', '{"train": 3'):
        path.write_text(text)
        with pytest.raises(DataError, match='not a split file'):
            Split.load(path)
    with pytest.raises(DataError, match='cannot be read'):
        Split.load(tmp_path / 'gone.json')


# Against a table


def test_select_takes_all_patches_of_a_parts_slides():
    table = make({'well': 9, 'poorly': 8}, patches=3)
    split = few_shot_split(table, [1], 0.5)
    one = split.select(table, 'train_1')
    assert len(one) == 2 * 3
    assert set(one.slides) == {split.train['1'][name][0] for name in table.classes}
    val = split.select(table, 'val')
    assert not set(val.files) & set(one.files)
    with pytest.raises(DataError, match="no part 'train_2'"):
        split.select(table, 'train_2')
    other = table.subset(~np.isin(table.slides, split.train['1']['well']))
    with pytest.raises(DataError, match='made from other data'):
        split.select(other, 'train_1')


def test_check_finds_what_is_shared():
    table = make({'well': 9}, patients=lambda slide: slide)
    split = few_shot_split(table, [1, 2], 0.5)
    split.check(table)
    held_out = split.evaluation['well'][0]
    leaking = dataclasses.replace(split, train={'1': {'well': (held_out,)}})
    with pytest.raises(DataError, match=f'share the slides {held_out}'):
        leaking.check()
    first, second = split.train['2']['well']
    unnested = dataclasses.replace(
        split, train={'1': {'well': (second,)}, '2': {'well': (first, second)}}
    )
    with pytest.raises(DataError, match='not nested'):
        unnested.check()
    same_person = make({'well': 9}, patients=lambda slide: 'p')
    with pytest.raises(DataError, match='share the patients p'):
        split.check(same_person)


def test_global_randomness_plays_no_part():
    random.seed(0)
    np.random.seed(0)
    first = few_shot_split(make({'well': 9}), [1])
    random.seed(1)
    np.random.seed(1)
    assert few_shot_split(make({'well': 9}), [1]) == first
