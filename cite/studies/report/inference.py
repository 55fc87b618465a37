"""What the report takes from `statistics`, in one place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cite.evaluation.predictions import Predictions

if TYPE_CHECKING:
    from cite.statistics.units import RunTable

WITH_INTERVALS = (
    'accuracy',
    'balanced_accuracy',
    'macro_f1',
    'auroc',
    'quadratic_kappa',
    'log_loss',
    'brier',
)
SAMPLES, SEED, CONFIDENCE = 2000, 0, 0.95

Runs = Mapping[tuple[int, int], Predictions]
"""(split seed, training seed) → predictions, one row per unit of a level."""


HOW_INTERVALS = (
    '95 % intervals: a bootstrap over trainings (draws of training slides) and evaluation units (patients '
    'where they are known, else slides, each among those of its class), 2,000 draws.'
)
HOW_COMPARED = (
    'Differences: the same bootstrap of the difference, trainings paired by their draw of training slides, '
    'with two-sided p values that Holm adjusts for all comparisons at the same shots.'
)


@dataclass(frozen=True)
class Interval:
    """A mean over runs and its 95 % interval over trainings and units."""

    estimate: float
    low: float
    high: float

    def __str__(self) -> str:
        return f'{self.estimate:.3f} [{self.low:.3f}, {self.high:.3f}]'


def intervals(tables: Runs, metrics: Sequence[str], level: str) -> dict[str, Interval]:
    """Metric → interval; metrics that these units do not define are left out.

    Args:
        tables: Of `level`: patches, or one row per slide or patient.
        metrics: Some of `WITH_INTERVALS`.
    """
    from cite.statistics.bootstrap import table_interval
    from cite.statistics.units import align

    aligned = align(list(tables.values()), _rows_of(level), splits=[split for split, _ in tables])
    found = {}
    for metric in metrics:
        one = table_interval(aligned, metric, level, SAMPLES, SEED, CONFIDENCE)
        if one.estimate is not None and one.low is not None and one.high is not None:
            found[metric] = Interval(one.estimate, one.low, one.high)
    return found


@dataclass(frozen=True)
class Paired:
    """A method minus the reference.

    Attributes:
        method: Which.
        estimate: The difference.
        low: Of its 95 % interval, over trainings and units.
        high: As `low`.
        p: Of the same bootstrap.
        p_holm: Adjusted for all comparisons made together.
        p_wilcoxon: Signed ranks of the true class's probability, unit by unit: these trainings only.
        p_wilcoxon_holm: Adjusted likewise.
        draws: Draws of training slides that both have.
    """

    method: str
    estimate: float
    low: float
    high: float
    p: float
    p_holm: float
    p_wilcoxon: float
    p_wilcoxon_holm: float
    draws: int


def compare(methods: Mapping[str, Runs], reference: str, metric: str, level: str) -> list[Paired]:
    """Each method minus the reference, over the draws of training slides that both have.

    Methods without such a draw, and differences that are not defined, are left out.
    """
    from cite.statistics.holm import holm
    from cite.statistics.paired import compare_tables
    from cite.statistics.units import align

    def aligned(runs: Runs, draws: set[int]) -> RunTable:
        kept = {key: table for key, table in runs.items() if key[0] in draws}
        return align(list(kept.values()), _rows_of(level), splits=[split for split, _ in kept])

    draws_of = {name: {split for split, _ in runs} for name, runs in methods.items()}
    groups: dict[frozenset[int], list[str]] = {}  # methods that are compared over the same draws
    for name in methods:
        both = frozenset(draws_of[name] & draws_of[reference])
        if name != reference and both:
            groups.setdefault(both, []).append(name)
    found = []
    for draws, names in groups.items():
        tables = {name: aligned(methods[name], set(draws)) for name in (*names, reference)}
        for one in compare_tables(tables, reference, metric, level, SAMPLES, SEED, CONFIDENCE):
            if None not in (one.estimate, one.low, one.high, one.p_bootstrap):
                found.append((one, len(draws)))
    ranked = holm([one.p_bootstrap for one, _ in found])
    wilcoxon = holm([one.p_wilcoxon for one, _ in found])
    order = {name: place for place, name in enumerate(methods)}
    made = [
        Paired(
            one.a,
            float(one.estimate or 0.0),
            float(one.low or 0.0),
            float(one.high or 0.0),
            float(one.p_bootstrap or 0.0),
            float(p or 0.0),
            one.p_wilcoxon,
            float(q or 0.0),
            draws,
        )
        for (one, draws), p, q in zip(found, ranked, wilcoxon, strict=True)
    ]
    return sorted(made, key=lambda one: order[one.method])


def coverage(per_class: int, runs: int) -> float | None:
    """Share of 95 % intervals that held the truth, as measured for studies no larger; None if none was."""
    from cite.statistics.coverage import measured_coverage

    found = measured_coverage(per_class, runs)
    return None if np.isnan(found) else found


def _rows_of(level: str) -> str:
    # tables of patients have one row each already, under the name of a slide
    return 'patch' if level == 'patch' else 'slide'
