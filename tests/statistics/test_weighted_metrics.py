"""Metrics of weighted units against `classification_metrics` of rows that are really repeated."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_runs import draw_runs
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.evaluation.metrics import classification_metrics
from cite.statistics.draws import run_weights, unit_weights
from cite.statistics.metrics import evaluator
from cite.statistics.scales import SCALES
from cite.statistics.units import RunTable, align


def repeated(table, counts):
    return np.repeat(np.arange(len(table.labels)), counts[table.unit])


@st.composite
def tables(draw):
    """Runs with few distinct probabilities, so that ties are common, in units of any size and class."""
    classes = draw(st.integers(2, 4))
    n = draw(st.integers(3, 20))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shares = rng.integers(0, 4, (2, n, classes)) + rng.integers(0, 2, (2, n, 1)) / 4 + 1e-3
    unit = np.unique(rng.integers(0, draw(st.integers(1, n)), n), return_inverse=True)[1]
    return RunTable(
        rows=[],
        labels=rng.integers(0, classes, n),
        probabilities=(shares / shares.sum(2, keepdims=True)).astype(np.float32).astype(float),
        unit=unit,
        stratum=np.zeros(unit.max() + 1, dtype=int),
        unit_kind='slide',
        patients=None,
        classes=tuple('abcd'[:classes]),
        split_keys=[0, 1],
        split_known=False,
    ), rng.integers(0, 4, (3, unit.max() + 1))


@pytest.mark.parametrize('metric', SCALES)
@settings(max_examples=15, deadline=None)
@given(drawn=tables())
def test_whole_weights_repeat_rows(metric, drawn):
    table, counts = drawn
    # draws keep every class: so shall these
    keep = [c for c in counts if set(table.labels[repeated(table, c)]) == set(table.labels)]
    for weights in [*keep, np.ones(table.n_units, dtype=int)]:
        rows = repeated(table, weights)
        found = evaluator(table, metric)(weights[None].astype(float))[0]
        for run, value in zip(table.probabilities, found, strict=True):
            expected = classification_metrics(table.labels[rows], run[rows], table.classes)[metric]
            if expected is None:
                assert np.isnan(value)
            else:
                assert value == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize('metric', SCALES)
def test_patches_follow_their_slides(metric):
    table = align(draw_runs(2, per_class=5, patches=4), 'patch')
    counts = np.random.default_rng(3).integers(1, 4, table.n_units)
    rows = repeated(table, counts)
    (found,) = evaluator(table, metric)(counts[None].astype(float))
    for run, value in zip(table.probabilities, found, strict=True):
        expected = classification_metrics(table.labels[rows], run[rows], table.classes)[metric]
        assert value == pytest.approx(expected, abs=1e-6)


def test_draws_are_stratified_and_have_the_variance_of_a_mean():
    stratum = np.repeat([0, 1, 2, 3], [4, 9, 30, 1])
    weights = unit_weights(stratum, 4000, seed=1)
    for value, size in enumerate([4, 9, 30, 1]):
        np.testing.assert_allclose(weights[:, stratum == value].sum(axis=1), size)
    values = np.random.default_rng(0).normal(size=9)
    means = weights[:, stratum == 1] @ values / 9
    assert means.var() == pytest.approx(values.var(ddof=1) / 9, rel=0.1)
    assert run_weights(3, 4000, 0).sum(axis=1) == pytest.approx(1)
