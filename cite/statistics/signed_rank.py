"""Wilcoxon's signed-rank test of two methods, over the units of an evaluation set."""

from __future__ import annotations

import numpy as np

from cite.statistics.units import RunTable


def signed_rank(a: RunTable, b: RunTable) -> float:
    """Two-sided p of the differences in what the true class is given, unit by unit (Wilcoxon 1945).

    A unit's value is the probability of its true class, mean over runs and over the unit's rows. Units
    without a difference are ranked and then left out (Pratt 1959); 1 where no unit has one.

    Args:
        a: Runs of a method.
        b: Runs of another on the same rows.
    """
    from scipy.stats import wilcoxon

    difference = _given_to_truth(a) - _given_to_truth(b)
    # what float32 probabilities cannot tell apart is no difference
    difference[np.abs(difference) < 1e-7] = 0
    if not difference.any():
        return 1.0
    return float(wilcoxon(difference, zero_method='pratt').pvalue)


def _given_to_truth(table: RunTable) -> np.ndarray:
    rows = table.probabilities.mean(axis=0)[np.arange(len(table.labels)), table.labels]
    return np.bincount(table.unit, weights=rows) / np.bincount(table.unit)
