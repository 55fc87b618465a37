"""Two methods on the same slides: the difference, and whether it is more than chance.

Both methods are drawn with the same units, and with the same trainings where these go in pairs, so what
slides and splits share cancels. There are two tests:

    p_bootstrap    of the metric, over trainings and slides; it agrees with the interval
    p_wilcoxon     of the probability that the true class got, a mean over runs, unit by unit (Wilcoxon
                   1945): these trainings only. It takes the trainings as they are, so it finds
                   differences that other draws of training slides would turn round. `coverage` holds
                   how often that happens.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cite.errors import ConfigError, DataError
from cite.evaluation.predictions import Predictions
from cite.statistics.bootstrap import check_numbers, flawless, replicates
from cite.statistics.draws import unit_weights
from cite.statistics.holm import holm
from cite.statistics.scales import effective_units, scale_of
from cite.statistics.signed_rank import signed_rank
from cite.statistics.two_level import Replicates, spread
from cite.statistics.units import RunTable, align, check_same


@dataclass(frozen=True)
class Difference:
    """A method's metric minus another's.

    Attributes:
        a: The first method.
        b: The other, which is subtracted.
        metric: Key of the metric.
        level: Rows that it counts.
        estimate: Mean over a's runs minus mean over b's; None where undefined, as are `low`, `high` and
            `p_bootstrap`.
        low: Lower end of its interval.
        high: Upper end.
        confidence: Of the interval.
        p_bootstrap: Two-sided, of no difference.
        p_wilcoxon: Two-sided, of the signed-rank test over units; 1 where all are equal.
        p_bootstrap_holm: Adjusted over the comparisons made together; None for one alone.
        p_wilcoxon_holm: Likewise.
        n_units: Units.
        n_runs: Runs of a and of b.
        paired_runs: Whether trainings were drawn in pairs.
        over_runs: Whether p_bootstrap holds over trainings: each method has two or more.
    """

    a: str
    b: str
    metric: str
    level: str
    estimate: float | None
    low: float | None
    high: float | None
    confidence: float
    p_bootstrap: float | None
    p_wilcoxon: float
    n_units: int
    n_runs: tuple[int, int]
    paired_runs: bool
    over_runs: bool
    p_bootstrap_holm: float | None = None
    p_wilcoxon_holm: float | None = None


def paired_difference(
    a: Sequence[Predictions],
    b: Sequence[Predictions],
    metric: str = 'balanced_accuracy',
    level: str = 'slide',
    samples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    aggregation: str = 'mean',
    splits: tuple[Sequence[Hashable], Sequence[Hashable]] | None = None,
    names: tuple[str, str] = ('a', 'b'),
) -> Difference:
    """The difference of two methods' metric, a's minus b's.

    Args:
        a: Runs of a method.
        b: Runs of another, on the same slides.
        splits: The split seeds of a's and of b's runs. Trainings go in pairs where both have the same
            splits; without, where both have as many runs, in the order given.
        names: What to call them.

    The others are those of `bootstrap.interval`, as are its errors.

    Raises:
        DataError: The methods were evaluated on different slides.
    """
    of_a, of_b = splits or (None, None)
    return compare_all(
        {names[0]: a, names[1]: b},
        None,
        metric,
        level,
        samples,
        seed,
        confidence,
        aggregation,
        None if of_a is None or of_b is None else {names[0]: of_a, names[1]: of_b},
    )[0]


def compare_all(
    methods: Mapping[str, Sequence[Predictions]],
    reference: str | None = None,
    metric: str = 'balanced_accuracy',
    level: str = 'slide',
    samples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    aggregation: str = 'mean',
    splits: Mapping[str, Sequence[Hashable]] | None = None,
) -> list[Difference]:
    """Every pair of methods, or each against the reference, with p-values adjusted by Holm's method.

    Args:
        methods: Name → runs.
        reference: A name: the others minus it. None for all pairs, in the order of names.
        splits: Name → split seeds of its runs.

    The others are those of `paired_difference`, as are its errors.
    """
    tables = {
        name: align(runs, level, aggregation, None if splits is None else splits[name])
        for name, runs in methods.items()
    }
    return compare_tables(tables, reference, metric, level, samples, seed, confidence)


def compare_tables(
    tables: Mapping[str, RunTable],
    reference: str | None,
    metric: str,
    level: str,
    samples: int,
    seed: int,
    confidence: float,
) -> list[Difference]:
    """`compare_all` of runs that are aligned already."""
    check_numbers(samples, confidence)
    scale_of(metric)
    names = list(tables)
    if reference is not None and reference not in names:
        raise ConfigError(f'reference={reference!r} is none of the methods: {", ".join(names)}.')
    if len(names) < 2:
        raise DataError(f'A comparison takes two methods or more, found {len(names)}.')
    first = tables[names[0]]
    for name in names[1:]:
        check_same(first, tables[name], names[0], name)
    drawn = {name: replicates(tables[name], metric, samples, seed) for name in names}
    if reference is None:
        pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    else:
        pairs = [(a, reference) for a in names if a != reference]
    found = []
    for a, b in pairs:
        parts = _in_pairs(drawn[a], drawn[b], tables[a], tables[b])
        estimate, low, high, p = _bootstrap(parts, first, metric, samples, seed, confidence)
        found.append(
            Difference(
                a=a,
                b=b,
                metric=metric,
                level=level,
                estimate=estimate,
                low=low,
                high=high,
                confidence=confidence,
                p_bootstrap=p,
                p_wilcoxon=signed_rank(tables[a], tables[b]),
                n_units=first.n_units,
                n_runs=(tables[a].n_runs, tables[b].n_runs),
                paired_runs=len(parts) == 1,
                over_runs=all(len(part.values) > 1 for part in parts),
            )
        )
    if len(found) == 1:
        return found
    by_bootstrap, by_rank = (
        holm([d.p_bootstrap for d in found]),
        holm([d.p_wilcoxon for d in found]),
    )
    return [
        replace(d, p_bootstrap_holm=p, p_wilcoxon_holm=q)
        for d, p, q in zip(found, by_bootstrap, by_rank, strict=True)
    ]


def _in_pairs(a: Replicates, b: Replicates, of_a: RunTable, of_b: RunTable) -> list[Replicates]:
    """One part, of differences, where trainings go in pairs; else both."""
    if not (of_a.split_known and of_b.split_known):
        return [a.minus(b)] if len(a.values) == len(b.values) else [a, b]
    if set(of_a.splits) != set(of_b.splits):
        return [a, b]
    order = [of_b.splits.index(key) for key in of_a.splits]
    return [a.minus(Replicates(b.values[order], b.drawn[:, order]))]


def _bootstrap(
    parts: list[Replicates],
    table: RunTable,
    metric: str,
    samples: int,
    seed: int,
    confidence: float,
) -> tuple[float | None, float | None, float | None, float | None]:
    if not all(np.isfinite(part.values).all() for part in parts):
        return None, None, None, None
    scale, n = scale_of(metric), effective_units(metric, table.stratum)
    weights = unit_weights(table.stratum, samples, seed)
    known = spread(parts, weights, table.stratum, seed, 1 / n if scale.counted else 0.0)
    low, high = (float(end) for end in known.estimate + known.ends(confidence))
    width = scale.high - scale.low
    if not known.seen and np.isfinite(width):
        # no unit was told apart; as `flawless` allows of the share of those that would be
        reach = (1 - flawless(n, confidence)) * width
        low, high = min(low, known.estimate - reach), max(high, known.estimate + reach)
    return known.estimate, max(low, -width), min(high, width), known.p_value()
