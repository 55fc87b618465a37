"""One metric of S runs under many weightings of units: what the bootstrap evaluates."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cite.statistics import counted, ranked, scored
from cite.statistics.scales import scale_of
from cite.statistics.units import RunTable


def evaluator(table: RunTable, metric: str) -> Callable[[np.ndarray], np.ndarray]:
    """A function from weights (B, U) of units to values (B, S) of runs; NaN where undefined.

    What the metric needs of each unit is computed once, here. Weights of whole numbers give what
    `classification_metrics` gives for rows that are repeated as often.
    """
    scale_of(metric)
    labels, probabilities, unit, n_units = (
        table.labels,
        table.probabilities,
        table.unit,
        table.n_units,
    )
    if metric in counted.COUNTED:
        counts = counted.unit_confusions(labels, probabilities, unit, n_units)
        return lambda weights: counted.from_confusion(metric, counted.weigh(counts, weights))
    if metric == 'ece':
        gaps, rows = scored.unit_gaps(labels, probabilities, unit, n_units)
        return lambda weights: scored.calibration_error(gaps, rows, weights)
    if metric in scored.AVERAGED:
        sums, rows = scored.unit_sums(metric, labels, probabilities, unit, n_units)
        return lambda weights: (weights @ sums) / (weights @ rows)[:, None]
    ranking = ranked.auroc if metric == 'auroc' else ranked.auprc
    return lambda weights: ranking(labels, probabilities, unit, weights)
