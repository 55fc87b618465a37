from __future__ import annotations

import numpy as np
import pytest

from cite.evaluation.predictions import Predictions
from cite.experiments.gallery import choose_patches


def build(labels, predicted, order=None, slides=None):
    order = np.arange(len(labels)) if order is None else order
    n_classes = 5
    return Predictions(
        files=[f'{i}.png' for i in order],
        labels=np.array(labels)[order],
        probabilities=np.eye(n_classes)[np.array(predicted)[order]],
        slides=[f's{i}' if slides is None else slides[i] for i in order],
        classes=tuple('abcde'),
    )


def check(predictions, right, wrong, total):
    hit = predictions.predicted == predictions.labels
    assert hit[right].all() and not hit[wrong].any()
    assert len({*right, *wrong}) == len(right) + len(wrong) == total


def test_half_right_half_wrong_with_classes_taking_turns():
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 5, 400), rng.integers(0, 5, 400)
    predictions = build(labels, predicted)
    right, wrong = choose_patches(predictions, 20)
    check(predictions, right, wrong, 20)
    assert len(right) == 10
    for rows in (right, wrong):
        assert np.bincount(predictions.labels[rows]).tolist() == [2, 2, 2, 2, 2]


@pytest.mark.parametrize(('n_wrong', 'expected'), [(0, (8, 0)), (3, (5, 3)), (10, (2, 6))])
def test_too_few_of_one_kind_are_made_up_by_the_other(n_wrong, expected):
    n_right = 12 - n_wrong
    predictions = build([0] * 12, [0] * n_right + [1] * n_wrong)
    right, wrong = choose_patches(predictions, 8)
    check(predictions, right, wrong, 8)
    assert (len(right), len(wrong)) == expected


def test_fewer_patches_than_cells_shows_all():
    predictions = build([0, 1, 2], [0, 0, 2])
    right, wrong = choose_patches(predictions, 24)
    assert (sorted(right), wrong) == ([0, 2], [1])


def test_rare_class_is_shown():
    labels = [0] * 500 + [1]
    predictions = build(labels, [0] * 250 + [2] * 250 + [1])
    right, wrong = choose_patches(predictions, 6)
    assert 500 in right and len(right) == len(wrong) == 3


def test_slides_take_turns():
    slides = ['big'] * 100 + ['small'] * 2
    predictions = build([0] * 102, [0] * 102, slides=slides)
    right, _ = choose_patches(predictions, 4)
    assert sorted(predictions.slides[row] for row in right) == ['big', 'big', 'small', 'small']


def test_choice_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(1)
    labels, predicted = rng.integers(0, 5, 100), rng.integers(0, 5, 100)
    slides = [f's{i % 9}' for i in range(100)]
    chosen = []
    for order in (np.arange(100), rng.permutation(100)):
        predictions = build(labels, predicted, order, slides)
        chosen.append(
            [[predictions.files[row] for row in rows] for rows in choose_patches(predictions, 12)]
        )
    assert chosen[0] == chosen[1]
