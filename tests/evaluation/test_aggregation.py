from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.errors import ConfigError
from cite.evaluation.aggregation import AGGREGATIONS, aggregate, group_rows
from cite.evaluation.samples import EPSILON

P = np.array([[0.2, 0.6, 0.2], [0.7, 0.1, 0.2], [0.5, 0.5, 0.0], [0.1, 0.3, 0.6], [0.3, 0.4, 0.3]])
GROUPS = np.array([1, 0, 1, 1, 1])


def normal(row):
    return np.array(row) / np.sum(row)


def test_each_way_by_hand():
    members = P[GROUPS == 1]
    clipped = np.log(np.maximum(members, EPSILON)).mean(0)
    expected = {
        'mean': members.mean(0),
        'median': normal([0.25, 0.45, 0.25]),
        'topk': normal([0.4, 0.55, 0.45]),
        'max': normal([0.5, 0.6, 0.6]),
        'logmean': normal(np.exp(clipped)),
    }
    assert set(expected) == set(AGGREGATIONS)
    for how, row in expected.items():
        found = aggregate(P, GROUPS, how, top_k=2)
        np.testing.assert_allclose(found, [P[1], row], rtol=1e-6, err_msg=how)


@st.composite
def patches(draw):
    n = draw(st.integers(1, 15))
    row = st.lists(st.integers(0, 4), min_size=3, max_size=3).filter(any)
    weights = np.array(draw(st.lists(row, min_size=n, max_size=n)), float)
    names = draw(st.lists(st.sampled_from(['b', 'a', 'c']), min_size=n, max_size=n))
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32), names


@pytest.mark.parametrize('how', AGGREGATIONS)
@settings(max_examples=30, deadline=None)
@given(patches(), st.integers(1, 4), st.randoms(use_true_random=False))
def test_results_are_distributions_whatever_the_order_of_rows(how, sample, k, random):
    p, names = sample
    distinct, groups = group_rows(names)
    assert distinct == sorted(set(names)) and [distinct[g] for g in groups] == names
    found = aggregate(p, groups, how, k)
    assert found.shape == (len(distinct), 3) and (found >= 0).all()
    np.testing.assert_allclose(found.sum(1), 1, atol=1e-6)
    order = list(range(len(names)))
    random.shuffle(order)
    np.testing.assert_array_equal(aggregate(p[order], groups[order], how, k), found)


@pytest.mark.parametrize('how', AGGREGATIONS)
@settings(max_examples=20, deadline=None)
@given(patches())
def test_one_patch_is_its_slide_and_so_are_copies_of_it(how, sample):
    p, _ = sample
    alone = np.arange(len(p))
    np.testing.assert_allclose(aggregate(p, alone, how), p, atol=3e-7)
    np.testing.assert_allclose(
        aggregate(np.repeat(p, 3, axis=0), alone.repeat(3), how), p, atol=3e-7
    )


def test_topk_lies_between_max_and_mean():
    np.testing.assert_allclose(aggregate(P, GROUPS, 'topk', 1), aggregate(P, GROUPS, 'max'))
    np.testing.assert_allclose(aggregate(P, GROUPS, 'topk', 10), aggregate(P, GROUPS, 'mean'))


def test_one_patch_cannot_veto_a_class_in_the_geometric_mean():
    p = np.array([[1.0, 0.0]] + [[0.01, 0.99]] * 9)
    found = aggregate(p, np.zeros(10, int), 'logmean')
    assert found[0, 1] > 0.9


def test_medians_of_nothing_fall_back_on_the_mean():
    found = aggregate(np.vstack([np.eye(3), P[:1]]), np.array([0, 0, 0, 1]), 'median')
    np.testing.assert_allclose(found, [[1 / 3] * 3, P[0]])


def test_unknown_ways_are_refused():
    with pytest.raises(ConfigError, match=r"'vote'.*mean, median, topk, max, logmean"):
        aggregate(P, GROUPS, 'vote')
    for k in (0, -1, 2.5, True):
        with pytest.raises(ConfigError, match='1 patch or more'):
            aggregate(P, GROUPS, 'topk', k)
