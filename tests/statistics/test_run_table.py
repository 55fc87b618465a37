"""Runs side by side: one order of rows, whole units, and a refusal of what does not match."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_runs import draw_runs

from cite.errors import ConfigError, DataError
from cite.statistics.units import align


def rows_of(run, rows):
    return replace(
        run,
        files=[run.files[r] for r in rows],
        labels=run.labels[rows],
        probabilities=run.probabilities[rows],
        slides=[run.slides[r] for r in rows],
        patients=None if run.patients is None else [run.patients[r] for r in rows],
    )


def test_rows_are_put_in_one_order():
    first, second = draw_runs(2, per_class=4, patches=3)
    shuffled = rows_of(second, np.random.default_rng(0).permutation(len(second)))
    for level in ('patch', 'slide'):
        one, other = align([first, second], level), align([first, shuffled], level)
        assert one.rows == other.rows
        np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_units_are_slides_or_patients_at_every_level():
    patients = [f'p{i // 2}' for i in range(12)]
    known = draw_runs(1, per_class=4, patches=3, patients=patients)
    unknown = draw_runs(1, per_class=4, patches=3)
    assert [align(known, level).n_units for level in ('patch', 'slide', 'patient')] == [6, 6, 6]
    assert [align(unknown, level).n_units for level in ('patch', 'slide')] == [12, 12]
    assert np.bincount(align(known, 'patch').unit).tolist() == [6] * 6
    assert align(known, 'slide').stratum.tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(DataError, match='patients'):
        align(unknown, 'patient')


def test_an_aggregation_is_handed_on():
    runs = draw_runs(2, per_class=4, patches=5)
    by_max = align(runs, 'slide', 'max').probabilities
    np.testing.assert_array_equal(by_max[1], runs[1].by_slide('max').probabilities)
    assert not np.allclose(by_max, align(runs, 'slide').probabilities)


def test_what_differs_is_named():
    first, second = draw_runs(2, per_class=4)
    with pytest.raises(DataError, match=r's007.*only run 1'):
        align([first, rows_of(second, [r for r in range(12) if r != 7])])
    labels = second.labels.copy()
    labels[5] = 0
    with pytest.raises(DataError, match=r'labels.*s005'):
        align([first, replace(second, labels=labels)])
    with pytest.raises(DataError, match='patients'):
        align([first, replace(second, patients=second.slides)])
    with pytest.raises(DataError, match='classes'):
        align([first, replace(second, classes=('a', 'c', 'b'))])


def test_refusals():
    runs = draw_runs(2, per_class=4)
    with pytest.raises(DataError, match='No runs'):
        align([])
    with pytest.raises(ConfigError, match='level'):
        align(runs, 'tile')
    with pytest.raises(ConfigError, match='2 runs but 3 splits'):
        align(runs, splits=(0, 1, 2))
