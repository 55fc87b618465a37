"""No slide, patient or file on two sides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from feature_sets import sets, table
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.errors import ConfigError, DataError
from cite.probing.sets import Part, Sets, few_shots, held_out


@st.composite
def parts(draw):
    counts = draw(st.lists(st.integers(2, 9), min_size=2, max_size=4))
    per_slide = draw(st.integers(1, 3))
    labels = np.repeat(np.arange(len(counts)), np.array(counts) * per_slide)
    labels = labels[np.random.default_rng(draw(st.integers(0, 99))).permutation(len(labels))]
    names = tuple('abcd'[: len(counts)])
    patients = draw(st.booleans()) and min(counts) > 3
    found = table(labels, 's', per_slide, names, patients)
    return Part(found, np.arange(len(labels)))


@settings(max_examples=60, deadline=None)
@given(parts(), st.floats(0.05, 0.95), st.integers(0, 50))
def test_slides_never_straddle(part, share, seed):
    rest, aside = held_out(part, share, seed)
    for unit in ('slides', 'patients'):
        whole = getattr(part.table, unit)
        if whole is not None:
            one, two = set(getattr(rest.table, unit)), set(getattr(aside.table, unit))
            assert not one & two
            assert one | two == set(whole)
    assert sorted([*rest.rows, *aside.rows]) == list(range(len(part.table)))
    assert set(rest.table.labels) == set(aside.table.labels) == set(part.table.labels)
    again = held_out(part, share, seed)[1]
    np.testing.assert_array_equal(aside.rows, again.rows)


def test_shots_are_slides_and_nested():
    _, whole = sets()
    before: set[str] = set()
    for k in (1, 2, 5):
        few = few_shots(whole, k, seed=3)
        assert [found.slides for found in few.train.table.counts().values()] == [k] * 3
        assert all(found.slides <= k for found in few.validation.table.counts().values())
        slides = set(few.train.table.slides.tolist())
        assert before < slides
        before = slides
        assert few.test is whole.test
    other = set(few_shots(whole, 5, seed=4).train.table.slides.tolist())
    assert other != before


def test_what_is_shared_is_named():
    _, whole = sets()
    taken = whole.train.of_slides([whole.train.table.slides[0]])
    both = Part(
        replace(whole.test.table, slides=np.where(np.arange(60) % 3 == 0, 'train0_000', 'x')),
        whole.test.rows,
    )
    for bad, message in (
        (replace(whole, validation=taken), 'training set train and the validation.*train0_000'),
        (replace(whole, test=taken), 'training set train and the test set.*train0_000'),
        (replace(whole, validation=taken, train=both, test=taken), 'train0_000'),
    ):
        with pytest.raises(DataError, match=message):
            bad.check()
    patients = table(whole.train.table.labels, 'a', patients=True)
    same = replace(table(whole.test.table.labels, 'b'), patients=['pa0_0'] * 60)
    with pytest.raises(DataError, match='patients: pa0_0'):
        Sets(
            Part(patients, whole.train.rows), whole.validation, Part(same, whole.test.rows)
        ).check()


def test_other_classes_are_refused():
    _, whole = sets()
    other = replace(whole.test.table, classes=('aca', 'normal', 'lymph'))
    with pytest.raises(DataError, match='lymph'):
        replace(whole, test=Part(other, whole.test.rows)).check()


def test_too_few_slides_are_told():
    _, whole = sets()
    with pytest.raises(DataError, match='11 shots need 11'):
        few_shots(whole, 11, 0)
    with pytest.raises(ConfigError, match='shots'):
        few_shots(whole, 0, 0)
    lone = whole.train.of_slides(['train0_000', 'train1_000', 'train1_001', 'train2_000'])
    with pytest.raises(DataError, match=r'aca.*1 slides'):
        held_out(lone)
    with pytest.raises(ConfigError):
        held_out(whole.train, 1.5)
