"""Two methods on the same slides."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drawn_runs import bench, draw_runs, flawless_runs

from cite.errors import ConfigError, DataError
from cite.evaluation.metrics import evaluate
from cite.statistics.bootstrap import interval
from cite.statistics.holm import holm
from cite.statistics.paired import compare_all, paired_difference


def mean_accuracy(runs):
    return np.mean([evaluate(run)['slide']['balanced_accuracy'] for run in runs])


def better(runs, by):
    """The same runs, with the true class raised."""
    found = []
    for run in runs:
        p = run.probabilities.astype(float)
        p[np.arange(len(p)), run.labels] *= np.exp(by)
        found.append(replace(run, probabilities=p / p.sum(1, keepdims=True)))
    return found


def test_difference_of_the_means_and_its_sign():
    a, b = draw_runs(seed=1), draw_runs(seed=1, quality=1.2)
    one, other = paired_difference(a, b, samples=500), paired_difference(b, a, samples=500)
    assert one.estimate == pytest.approx(mean_accuracy(a) - mean_accuracy(b))
    assert one.estimate == -other.estimate
    assert one.low > 0 > other.high
    assert one.p_bootstrap < 0.05 and one.p_wilcoxon < 0.05


def test_what_methods_share_cancels():
    a = draw_runs(per_class=20, between=0.8)
    b = better(a, 0.3)
    found = paired_difference(b, a, samples=500)
    assert found.paired_runs
    alone = interval(a, samples=500)
    assert found.high - found.low < 0.7 * (alone.high - alone.low)
    # the same trainings in another order are not the same pairs, unless their splits are told
    apart = paired_difference(b, a[::-1], samples=500)
    told = paired_difference(b, a[::-1], samples=500, splits=(range(5), range(5)[::-1]))
    assert apart.high - apart.low > told.high - told.low
    assert told == found


@pytest.mark.parametrize('seed', range(12))
def test_p_agrees_with_the_interval(seed):
    a = draw_runs(per_class=8, seed=seed)
    found = paired_difference(better(a, 0.1 * seed), a, samples=400)
    assert (found.p_bootstrap < 0.05) == (not found.low <= 0 <= found.high)
    assert 0 < found.p_bootstrap <= 1


def test_equal_methods_differ_by_nothing():
    a = draw_runs(per_class=5)
    found = paired_difference(a, a, samples=200)
    assert (found.estimate, found.p_bootstrap, found.p_wilcoxon) == (
        0,
        pytest.approx(1, abs=0.2),
        1,
    )
    perfect = flawless_runs(per_class=5)
    same = paired_difference(perfect, perfect, samples=200)
    assert same.low <= -(1 - 0.025 ** (1 / 15)) and same.high >= 1 - 0.025 ** (1 / 15)


def test_runs_that_are_not_as_many():
    a, b = draw_runs(5, seed=1), draw_runs(3, seed=1)
    found = paired_difference(a, b, samples=200)
    assert (found.n_runs, found.paired_runs, found.over_runs) == ((5, 3), False, True)
    assert not paired_difference(a[:1], b[:1], samples=200).over_runs
    assert found.estimate == pytest.approx(mean_accuracy(a) - mean_accuracy(b))


def test_wilcoxon_is_over_slides_of_the_mean_over_runs():
    from scipy.stats import wilcoxon

    a, b = (
        draw_runs(3, per_class=6, patches=2, seed=1),
        draw_runs(3, per_class=6, patches=2, seed=2),
    )
    given = []
    for runs in (a, b):
        tables = [run.by_slide() for run in runs]
        given.append(np.mean([t.probabilities[np.arange(18), t.labels] for t in tables], axis=0))
    expected = wilcoxon(given[0], given[1], zero_method='pratt').pvalue
    assert paired_difference(a, b, samples=200).p_wilcoxon == pytest.approx(expected)


def test_all_pairs_and_a_reference_are_adjusted():
    base = draw_runs(per_class=10)
    methods = {'x': base, 'y': better(base, 0.4), 'z': better(base, 1.5)}
    pairs = compare_all(methods, samples=300)
    assert [(d.a, d.b) for d in pairs] == [('x', 'y'), ('x', 'z'), ('y', 'z')]
    assert [d.p_bootstrap_holm for d in pairs] == holm([d.p_bootstrap for d in pairs])
    assert [d.p_wilcoxon_holm for d in pairs] == holm([d.p_wilcoxon for d in pairs])
    to_x = compare_all(methods, reference='x', samples=300)
    assert [(d.a, d.b) for d in to_x] == [('y', 'x'), ('z', 'x')]
    assert to_x[0].estimate == -pairs[0].estimate
    alone = paired_difference(methods['y'], methods['x'], samples=300)
    assert alone.p_bootstrap == to_x[0].p_bootstrap
    with pytest.raises(ConfigError, match='w'):
        compare_all(methods, reference='w')


def test_other_slides_are_refused():
    a, b = draw_runs(2, per_class=4), draw_runs(2, per_class=4)
    renamed = [replace(r, slides=['new', *r.slides[1:]], files=['new', *r.files[1:]]) for r in b]
    with pytest.raises(DataError, match=r'mine and theirs .* new'):
        paired_difference(a, renamed, names=('mine', 'theirs'))


def test_level_with_trainings_that_vary():
    """Two methods of equal quality: the bootstrap keeps its level, the test of these trainings does not."""
    program = bench()
    settings = program.Settings(test_replications=100, samples=400)
    found = program.measure_tests(30, 5, 2.2, 0.5, settings)
    assert found['bootstrap'] <= 0.1
    assert found['wilcoxon'] > 0.15
    assert program.measure_tests(30, 5, 2.2, 0.0, settings)['wilcoxon'] <= 0.12
    assert program.measure_tests(30, 5, 2.2, 0.2, settings, gap=1.0)['bootstrap'] > 0.8
