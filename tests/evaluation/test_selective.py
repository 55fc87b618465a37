from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.errors import ConfigError
from cite.evaluation.selective import risk_coverage, selective_metrics


def two(confidences):
    """Predictions of the first of two classes."""
    first = np.array(confidences)
    return np.stack([first, 1 - first], axis=1)


def test_risk_is_the_error_rate_of_the_most_confident():
    p = two([0.9, 0.6, 0.8, 0.7])
    curve = risk_coverage(
        p, np.array([0, 1, 1, 0])
    )  # in order of confidence: right, wrong, right, wrong
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(curve.risk, [0, 1 / 2, 1 / 3, 1 / 2])
    assert curve.aurc == pytest.approx((1 / 2 + 1 / 3 + 1 / 2) / 4)
    assert curve.accuracy_at(0.25) == 1 and curve.accuracy_at(1) == 0.5
    assert curve.accuracy_at(0.3) == 0.5  # at least that share is answered
    assert curve.accuracy_at(0.01) == 1


ROWS = st.lists(st.tuples(st.sampled_from([0.6, 0.7, 0.9]), st.booleans()), min_size=1, max_size=6)


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_ties_are_the_mean_over_all_their_orders(rows):
    p, labels = two([row[0] for row in rows]), np.array([int(row[1]) for row in rows])
    risks = []
    for order in itertools.permutations(range(len(rows))):
        order = sorted(order, key=lambda row: -rows[row][0])  # stable: ties stay in this order
        risks.append(np.cumsum(labels[list(order)]) / np.arange(1, len(rows) + 1))
    np.testing.assert_allclose(risk_coverage(p, labels).risk, np.mean(risks, axis=0), atol=1e-12)


@settings(max_examples=30, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_order_of_rows_is_of_no_consequence(rows, random):
    p, labels = two([row[0] for row in rows]), np.array([int(row[1]) for row in rows])
    order = list(range(len(rows)))
    random.shuffle(order)
    assert selective_metrics(p[order], labels[order]) == selective_metrics(p, labels)


def test_order_matters_to_the_area_and_accuracy_at_full_coverage_does_not():
    labels = np.array([0] * 8 + [1] * 2)
    good, bad = two(np.linspace(0.95, 0.55, 10)), two(np.linspace(0.55, 0.95, 10))
    assert risk_coverage(good, labels).aurc < risk_coverage(bad, labels).aurc
    assert risk_coverage(good, labels).accuracy_at(1) == risk_coverage(bad, labels).accuracy_at(1)
    found = selective_metrics(good, labels)
    assert found['accuracy_at_80'] == 1 and found['accuracy_at_90'] == pytest.approx(8 / 9)
    perfect = selective_metrics(good, np.zeros(10, int))
    assert perfect == {'aurc': 0, 'accuracy_at_80': 1, 'accuracy_at_90': 1}


def test_rounding_adds_no_sample_to_a_coverage():
    labels = np.array([0] * 7 + [1] * 93)
    p = two(np.linspace(0.99, 0.51, 100))
    assert 0.07 * 100 > 7
    assert risk_coverage(p, labels).accuracy_at(0.07) == 1


@pytest.mark.parametrize('coverage', [0, -0.1, 1.1, float('nan')])
def test_impossible_coverages_are_refused(coverage):
    with pytest.raises(ConfigError, match='above 0 and at most 1'):
        risk_coverage(two([0.9]), np.array([0])).accuracy_at(coverage)
