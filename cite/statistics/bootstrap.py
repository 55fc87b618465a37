"""Confidence intervals of a method's metric: over trainings and over slides.

What is estimated is the metric that a training is expected to reach on slides of the population: the mean
over draws of training slides and seeds. `two_level` says how the interval is made, `scales` how it stays in
the metric's range, and `coverage` how often it was measured to hold.

One rule comes on top, for metrics of right and wrong answers: no interval ends above that of a flawless
result, (α/2)^(1/n) for n units (Clopper & Pearson 1934), since ten slides without an error do not show that
there are none. Other metrics follow it where no draw changes them.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from cite.errors import ConfigError
from cite.evaluation.predictions import Predictions
from cite.statistics.draws import unit_weights
from cite.statistics.metrics import evaluator
from cite.statistics.scales import Scale, effective_units, scale_of
from cite.statistics.two_level import Replicates, Spread, spread
from cite.statistics.units import RunTable, align


@dataclass(frozen=True)
class Interval:
    """An estimate and where the truth lies with the stated confidence.

    Attributes:
        estimate: The mean over runs of the metric on all units; None where it is not defined, and so are
            the next three.
        low: Lower end.
        high: Upper end.
        error: Standard error.
        confidence: 0.95 and the like.
        metric: Its key.
        level: 'slide', 'patch' or 'patient': the rows that the metric counts.
        n_runs: Runs.
        n_units: Units that were drawn.
        unit: 'slide' or 'patient'.
        over_runs: Whether it holds over trainings. With one run (or one split) it holds for that one only.
        note: What to know about it, or ''.
    """

    estimate: float | None
    low: float | None
    high: float | None
    error: float | None
    confidence: float
    metric: str
    level: str
    n_runs: int
    n_units: int
    unit: str
    over_runs: bool
    note: str = ''


def interval(
    runs: Sequence[Predictions],
    metric: str = 'balanced_accuracy',
    level: str = 'slide',
    samples: int = 2000,
    seed: int = 0,
    confidence: float = 0.95,
    aggregation: str = 'mean',
    splits: Sequence[Hashable] | None = None,
) -> Interval:
    """The interval of a metric over the runs of one method at one k.

    Args:
        runs: Predictions of the same patches by each training.
        metric: A key of `scales.SCALES`.
        level: The rows that the metric counts: patches, slides or patients. Units that are drawn are
            patients where the predictions name them, else slides, at every level.
        samples: Draws.
        seed: Of the draws: equal seeds give equal intervals.
        confidence: Between 0 and 1.
        aggregation: How patches make a slide, as `Predictions.by_slide` takes it.
        splits: The split seed of each run. Runs of one split share training slides and are drawn
            together; the estimate is then the mean of the splits' means. Without, runs are independent.

    Raises:
        ConfigError: An unknown metric or level, or a number out of range.
        DataError: Runs that were evaluated on different slides, or none.
    """
    check_numbers(samples, confidence)
    scale_of(metric)
    return table_interval(
        align(runs, level, aggregation, splits), metric, level, samples, seed, confidence
    )


def table_interval(
    table: RunTable,
    metric: str,
    level: str,
    samples: int,
    seed: int,
    confidence: float,
    found: Replicates | None = None,
) -> Interval:
    """`interval` of runs that are aligned already; `found` where `replicates` was called before."""
    found = found or replicates(table, metric, samples, seed)
    over_runs = len(found.values) > 1
    notes = [] if over_runs else [_one_training(table)]
    estimate = low = high = error = None
    if np.isfinite(found.values).all():
        scale, n = scale_of(metric), effective_units(metric, table.stratum)
        weights = unit_weights(table.stratum, samples, seed)
        known = spread([found], weights, table.stratum, seed, 1 / n if scale.counted else 0.0)
        low, high, note = _ends(known, scale, n, confidence)
        estimate, error = known.estimate, known.error
        notes += [note] if note else []
    else:
        notes.append(f'{metric} is not defined for these slides')
    alone = int((np.bincount(table.stratum) == 1).sum())
    if alone:
        notes.append(f'classes with one {table.unit_kind}: {alone}; how they vary is not seen')
    return Interval(
        estimate,
        low,
        high,
        error,
        confidence,
        metric,
        level,
        table.n_runs,
        table.n_units,
        table.unit_kind,
        over_runs,
        '; '.join(notes),
    )


def replicates(table: RunTable, metric: str, samples: int, seed: int) -> Replicates:
    """The metric for each training, on all units and on each draw of them; trainings of a split meaned."""
    evaluate = evaluator(table, metric)
    values = evaluate(np.ones((1, table.n_units)))
    drawn = evaluate(unit_weights(table.stratum, samples, seed))
    # a draw without a value (kappa where all answers agree) tells nothing: it counts as no deviation
    drawn = np.where(np.isfinite(drawn), drawn, values)
    groups = np.array([[key == split for split in table.splits] for key in table.split_keys], float)
    groups /= groups.sum(axis=0)
    return Replicates((values @ groups)[0], drawn @ groups)


def check_numbers(samples: int, confidence: float) -> None:
    """Raises ConfigError for too few draws, or a confidence outside 0..1."""
    if samples < 100:
        raise ConfigError(
            f'samples={samples}: an interval takes 100 draws or more; 2000 are usual.'
        )
    if not 0 < confidence < 1:
        raise ConfigError(f'confidence={confidence}: expected a number between 0 and 1, as 0.95.')


def flawless(n: float, confidence: float) -> float:
    """The lower end for a share of 1 among n: (α/2)^(1/n), Clopper & Pearson's."""
    return float(((1 - confidence) / 2) ** (1 / n))


def _ends(spread: Spread, scale: Scale, n: float, confidence: float) -> tuple[float, float, str]:
    ends = scale.lay(spread.estimate, spread.ends(confidence), n)
    low, high = (float(end) for end in ends)
    if not (scale.counted or not spread.seen) or not np.isfinite(scale.high):
        return low, high, '' if spread.seen else 'no draw changed the value'
    reach = (1 - flawless(n, confidence)) * (scale.high - scale.low)
    note = ''
    if scale.best == scale.high and low > scale.high - reach:
        low, note = scale.high - reach, 'low is that of a flawless result'
    elif scale.best == scale.low and high < scale.low + reach:
        high, note = scale.low + reach, 'high is that of a flawless result'
    if scale.counted and high < scale.low + reach:
        high = scale.low + reach  # nor does a result without a right answer show that there is none
    return low, high, note


def _one_training(table: RunTable) -> str:
    what = 'one run' if table.n_runs == 1 else 'one split'
    return f'{what}: holds for this training, not over draws of training slides'
