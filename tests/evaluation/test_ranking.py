from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.evaluation.ranking import mean_of_defined, one_vs_rest, rank


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=40))
def test_values_are_those_of_scikit_learn_with_ties_too(rows):
    from sklearn.metrics import average_precision_score, roc_auc_score

    positive = np.array([row[0] for row in rows])
    scores = np.array([row[1] for row in rows], np.float32) / 5
    found = rank(positive, scores)
    if positive.all() or not positive.any():
        assert found == (None, None)
    else:
        assert found.auroc == pytest.approx(roc_auc_score(positive, scores), abs=1e-12)
        assert found.auprc == pytest.approx(average_precision_score(positive, scores), abs=1e-12)


@pytest.mark.parametrize(('n', 'classes'), [(2000, 5), (40, 3), (500, 2)])
def test_each_class_against_the_rest(n, classes):
    from sklearn.metrics import average_precision_score, roc_auc_score

    rng = np.random.default_rng(n)
    labels = rng.integers(0, classes - (classes > 2), n)  # of more than two, the last is missing
    p = rng.dirichlet(np.ones(classes), n).astype(np.float32)
    found = one_vs_rest(labels, p)
    for index in range(classes):
        if not (labels == index).any():
            assert found[index] == (None, None) and index == classes - 1 > 1
            continue
        curve = 1 if classes == 2 else index
        expected = roc_auc_score(labels == curve, p[:, curve])
        assert found[index].auroc == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(labels == index, p[:, index])
        assert found[index].auprc == pytest.approx(expected, abs=1e-12)


def test_average_precision_of_two_classes_is_not_the_same():
    labels = np.array([0, 0, 0, 1])
    p = np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    first, second = one_vs_rest(labels, p)
    assert first.auroc == second.auroc == pytest.approx(2 / 3)
    assert first.auprc == pytest.approx((1 + 1 + 3 / 4) / 3) and second.auprc == 0.5


def test_large_samples_do_not_overflow():
    n = 400_000
    positive = np.arange(n) % 2 == 0
    found = rank(positive, positive.astype(np.float32))
    assert found == (1.0, 1.0)
    assert rank(positive, np.zeros(n, np.float32)) == (0.5, 0.5)


def test_mean_is_of_what_is_defined():
    assert mean_of_defined([None, 0.5, 1.0]) == 0.75 and mean_of_defined([None]) is None
