"""Intervals: reproducible, in range, wide enough, and of what they say."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from drawn_runs import bench, draw_runs, flawless_runs

from cite.errors import ConfigError
from cite.evaluation.metrics import evaluate
from cite.statistics.bootstrap import interval
from cite.statistics.scales import SCALES


def width(found):
    return found.high - found.low


def test_holds_the_truth_where_slides_alone_do_not():
    """30 slides of a class, 5 runs: 95 % intervals, of which slides-only percentiles hold far fewer."""
    program = bench()
    settings = program.Settings(replications=120, samples=400)
    truth = program.true_accuracy(2.2, 0.5, settings)
    cell = program.measure_interval('balanced_accuracy', 30, 5, 2.2, 0.5, truth, settings)
    assert 0.9 <= cell['coverage'] <= 0.99
    assert cell['slides_only_percentile'] < 0.85


@pytest.mark.parametrize('level', ['patch', 'slide'])
@pytest.mark.parametrize('metric', SCALES)
def test_estimate_is_the_mean_over_runs(metric, level):
    runs = draw_runs(3, per_class=6, patches=3)
    found = interval(runs, metric, level, samples=200)
    expected = np.mean([evaluate(run)[level][metric] for run in runs])
    assert found.estimate == pytest.approx(expected, abs=1e-6)
    assert SCALES[metric].low <= found.low <= found.estimate <= found.high <= SCALES[metric].high
    assert found.low < found.high


def test_equal_seeds_give_equal_intervals():
    runs = draw_runs()
    found = interval(runs, samples=300, seed=3)
    assert found == interval(runs, samples=300, seed=3)
    assert found.low != interval(runs, samples=300, seed=4).low


def test_patients_whose_slides_agree_widen_it():
    copies, patients = 3, [f'p{i // 3}' for i in range(90)]
    slides = interval(draw_runs(copies=copies), samples=500)
    known = interval(draw_runs(copies=copies, patients=patients), samples=500)
    assert (known.unit, known.n_units, slides.unit, slides.n_units) == ('patient', 30, 'slide', 90)
    assert known.estimate == slides.estimate
    # three equal slides are worth one
    assert 1.4 < width(known) / width(slides) < 2.1


def test_runs_of_a_split_come_together():
    runs = [
        run for run in draw_runs(4, between=0.8, per_class=60) for _ in range(3)
    ]  # three seeds that agree
    told = interval(runs, samples=500, splits=[i // 3 for i in range(12)])
    assert told.estimate == pytest.approx(interval(runs, samples=500).estimate)
    assert width(told) > 1.3 * width(interval(runs, samples=500))
    assert width(told) == pytest.approx(width(interval(runs[::3], samples=500)))


def test_one_run_says_what_it_holds_for():
    one = interval(draw_runs(1), samples=300)
    assert not one.over_runs
    assert 'one run' in one.note
    several = interval(draw_runs(5), samples=300)
    assert several.over_runs
    assert several.note == ''
    assert 'one split' in interval(draw_runs(3), samples=300, splits=[7, 7, 7]).note


@pytest.mark.parametrize('metric', ['accuracy', 'balanced_accuracy', 'macro_f1', 'auroc', 'ece'])
def test_flawless_results_do_not_make_it_empty(metric):
    few, many = (interval(flawless_runs(per_class=n), metric, samples=200) for n in (3, 30))
    assert few.estimate == SCALES[metric].best
    for found, n in ((few, 9), (many, 90)):
        assert width(found) >= 0.999 * (1 - 0.025 ** (1 / n))


def test_an_error_more_never_raises_the_lower_end():
    lows = []
    for errors in range(4):
        run = flawless_runs(1, per_class=8)[0]
        p = run.probabilities.copy()
        p[:errors] = [0.1, 0.8, 0.1]
        lows.append(interval([replace(run, probabilities=p)] * 3, samples=1000).low)
    assert lows == sorted(lows, reverse=True)
    assert lows[0] > lows[-1]


def test_what_is_not_defined_is_none():
    run = draw_runs(1, per_class=5)[0]
    only = replace(
        run,
        files=run.files[:5],
        labels=run.labels[:5],
        probabilities=run.probabilities[:5],
        slides=run.slides[:5],
    )
    found = interval([only] * 2, 'auroc', samples=200)
    assert (found.estimate, found.low, found.high) == (None, None, None)
    assert 'not defined' in found.note
    assert interval([only] * 2, 'accuracy', samples=200).estimate is not None


def test_classes_of_one_slide_are_told():
    found = interval(draw_runs(3, per_class=1), samples=200)
    assert 'classes with one slide: 3' in found.note
    assert math.isfinite(found.low) and found.low < found.high


def test_more_confidence_is_wider():
    runs = draw_runs()
    assert width(interval(runs, confidence=0.8)) < width(interval(runs, confidence=0.99))


@pytest.mark.parametrize(
    ('wrong', 'named'),
    [({'metric': 'auc'}, 'auc'), ({'samples': 5}, '5'), ({'confidence': 95}, '95')],
)
def test_refusals_name_the_argument(wrong, named):
    with pytest.raises(ConfigError, match=named):
        interval(draw_runs(2, per_class=3), **wrong)
