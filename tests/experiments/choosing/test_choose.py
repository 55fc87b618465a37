from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cite.errors import ConfigError, DataError
from cite.experiments.choosing import Candidate, choose, leave_slides_out
from cite.experiments.choosing.candidates import (
    BUDGET,
    LEARNING_RATES,
    option_candidates,
    training_candidates,
)


def patches(slides_per_class, copies=3):
    labels, slides = [], []
    for label, count in enumerate(slides_per_class):
        for number in range(count):
            labels += [label] * copies
            slides += [f'c{label}s{number}'] * copies
    return np.array(labels), np.array(slides)


@given(
    counts=st.lists(st.integers(2, 7), min_size=2, max_size=4),
    most=st.none() | st.integers(2, 5),
    seed=st.integers(0, 99),
)
def test_every_slide_is_held_out_once_and_whole(counts, most, seed):
    labels, slides = patches(counts)
    folds = leave_slides_out(labels, slides, most, seed)
    held = np.concatenate([fold.held_out for fold in folds])
    assert sorted(held) == list(range(len(labels)))
    for fold in folds:
        assert not set(slides[fold.train]) & set(slides[fold.held_out])
        assert set(labels[fold.train]) == set(range(len(counts))), 'a class lost all its slides'
        assert len(fold.train) + len(fold.held_out) == len(labels)
    assert len(folds) == (max(counts) if most is None else min(most, max(counts)))
    again = leave_slides_out(labels, slides, most, seed)
    assert all(np.array_equal(a.held_out, b.held_out) for a, b in zip(folds, again, strict=True))


def test_a_class_with_one_slide_has_no_folds():
    with pytest.raises(DataError, match='class 1 has one training slide, c1s0'):
        leave_slides_out(*patches([3, 1]))


def test_a_slide_of_two_classes_is_refused():
    with pytest.raises(DataError, match='slide a has patches of two classes'):
        leave_slides_out(np.array([0, 1, 0, 1]), np.array(['a', 'a', 'b', 'c']))


def never(candidate, fold):
    raise AssertionError('nothing may be tried')


def test_one_slide_per_class_takes_the_preset():
    candidates = training_candidates('prompt')
    choice = choose(candidates, *patches([1, 1, 1]), never)
    assert (choice.candidate, choice.how, choice.scores) == (candidates[0], 'preset', [])
    assert choice.labelled_slides == 3


def test_the_best_over_all_folds_is_taken():
    candidates = training_candidates('peft')
    seen = []

    def score(candidate, fold):
        seen.append((candidate, tuple(fold.held_out)))
        return -abs(candidate.lr - 3e-4)

    choice = choose(candidates, *patches([4, 4]), score)
    assert choice.candidate.lr == pytest.approx(3e-4)
    assert (choice.how, choice.folds, choice.budget) == ('leave-one-slide-out', 4, BUDGET)
    assert len(seen) == len(set(seen)) == 4 * BUDGET
    assert choice.record()['scores'] == choice.scores


def test_a_setting_that_diverges_is_not_chosen():
    candidates = training_candidates('head', 2)
    labels, slides = patches([2, 2])
    diverged = choose(
        candidates, labels, slides, lambda c, f: 0.1 if c is candidates[1] else np.nan
    )
    assert diverged.candidate is candidates[1]


def test_ties_go_to_the_preset():
    candidates = training_candidates('tower')
    assert choose(candidates, *patches([2, 2]), lambda c, f: 0.5).candidate is candidates[0]


def test_declared_validation_slides_count_as_labels():
    labels, slides = patches([2, 2])
    validation = np.isin(slides, ['c0s1', 'c1s1'])
    folds = []

    def score(candidate, fold):
        folds.append(fold)
        return candidate.lr

    choice = choose(training_candidates('head'), labels, slides, score, validation)
    assert (choice.how, choice.folds, choice.labelled_slides) == ('validation slides', 1, 4)
    assert all(np.array_equal(np.flatnonzero(validation), fold.held_out) for fold in folds)
    with pytest.raises(DataError, match='c0s1 is declared'):
        partly = np.arange(len(slides)) == np.flatnonzero(validation)[0]
        choose(training_candidates('head'), labels, slides, score, partly)
    with pytest.raises(DataError, match='some be left'):
        choose(training_candidates('head'), labels, slides, score, np.ones(len(slides), bool))


def test_every_group_has_as_many_settings_and_begins_with_its_preset():
    for group, rate in LEARNING_RATES.items():
        candidates = training_candidates(group)
        assert len(candidates) == len(set(map(repr, candidates))) == BUDGET
        assert candidates[0].lr == rate
    with pytest.raises(ConfigError, match='group must be one of'):
        training_candidates('neck')
    with pytest.raises(ConfigError, match='budget must be 1 to 6'):
        training_candidates('head', 7)


def test_options_are_combined_up_to_the_budget():
    found = option_candidates({'alpha': (1.0, 3.0), 'beta': (5.5, 1.0, 10.0)}, budget=4)
    assert [dict(c.options) for c in found[:2]] == [
        {'alpha': 1.0, 'beta': 5.5},
        {'alpha': 1.0, 'beta': 1.0},
    ]
    assert len(found) == 4
    assert option_candidates({'k': (20,)}) == [Candidate(options={'k': 20})]
    with pytest.raises(ConfigError, match='no candidates'):
        choose([], *patches([2, 2]), never)
