"""AUROC and average precision of weighted units, one class against the rest, averaged over classes.

AUROC is a sum over pairs of units: who of a positive and a negative lies higher is counted once for each
pair of units, and a weighting is then a product with that matrix (the Mann–Whitney statistic; ties count
half). Average precision is that of scikit-learn, with cumulative weights.
"""

from __future__ import annotations

import numpy as np

BLOCK = 4_000_000  # numbers in a temporary array


def columns_of(labels: np.ndarray, classes: int) -> list[int]:
    """The classes that have positives and negatives."""
    return [c for c in range(classes) if 0 < np.count_nonzero(labels == c) < len(labels)]


def auroc(
    labels: np.ndarray,
    probabilities: np.ndarray,
    unit: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """(B, S) mean one-vs-rest AUROC under weights (B, U); NaN where no class has one."""
    runs, _, classes = probabilities.shape
    sums, defined = np.zeros((len(weights), runs)), np.zeros((len(weights), 1))
    columns = columns_of(labels, classes)
    for column in columns[-1:] if classes == 2 else columns:  # two classes share the second's
        positive = labels == column
        pos, pos_rows = _units_of(unit, positive)
        neg, neg_rows = _units_of(unit, ~positive)
        for_pos, for_neg = weights[:, pos], weights[:, neg]
        total = (for_pos @ np.bincount(pos_rows)) * (for_neg @ np.bincount(neg_rows))
        there = total > 0
        defined[there] += 1
        for run in range(runs):
            scores = probabilities[run, :, column]
            above = _above(scores[positive], pos_rows, scores[~positive], neg_rows)
            value = ((for_pos @ above) * for_neg).sum(axis=1)
            sums[there, run] += value[there] / total[there]
    with np.errstate(invalid='ignore'):
        return sums / defined


def auprc(
    labels: np.ndarray,
    probabilities: np.ndarray,
    unit: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """(B, S) mean one-vs-rest average precision under weights (B, U); NaN where no class has one."""
    runs, _, classes = probabilities.shape
    sums, defined = np.zeros((len(weights), runs)), np.zeros((len(weights), 1))
    for column in columns_of(labels, classes):
        positive = labels == column
        total = weights @ np.bincount(unit[positive], minlength=weights.shape[1])
        there = total > 0
        defined[there] += 1
        for run in range(runs):
            found = _average_precision(
                probabilities[run, :, column], positive, unit, weights[there]
            )
            sums[there, run] += found / total[there]
    with np.errstate(invalid='ignore'):
        return sums / defined


def _units_of(unit: np.ndarray, chosen: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The units that hold chosen rows, and for each chosen row which of those it is in."""
    return np.unique(unit[chosen], return_inverse=True)


def _above(
    high: np.ndarray, high_unit: np.ndarray, low: np.ndarray, low_unit: np.ndarray
) -> np.ndarray:
    """(P, Q) number of pairs of rows of units in which the first lies above the second; ties half."""
    n_high, n_low = high_unit.max() + 1, low_unit.max() + 1
    if n_high == len(high) and n_low == len(low):  # a row per unit, as of slides
        pairs = (high[:, None] > low) + 0.5 * (high[:, None] == low)
        found = np.empty_like(pairs)
        found[np.ix_(high_unit, low_unit)] = pairs
        return found
    found = np.empty((n_high, n_low))
    for number in range(n_low):
        sorted_low = np.sort(low[low_unit == number])
        below = np.searchsorted(sorted_low, high, 'left') + np.searchsorted(
            sorted_low, high, 'right'
        )
        found[:, number] = np.bincount(high_unit, weights=below, minlength=n_high) / 2
    return found


def _average_precision(
    scores: np.ndarray, positive: np.ndarray, unit: np.ndarray, weights: np.ndarray
) -> np.ndarray:
    """(B,) sum over thresholds of the positive weight gained, times the precision there."""
    order = np.argsort(-scores, kind='stable')
    last = np.append(np.flatnonzero(np.diff(scores[order])), len(order) - 1)
    # per unit, the rows down to each threshold; only thresholds that gain a positive count
    rows = np.zeros((len(order), weights.shape[1]), dtype=np.float32)
    rows[np.arange(len(order)), unit[order]] = 1
    reached = np.cumsum(rows, axis=0)[last]
    hits = np.cumsum(rows * positive[order, None], axis=0)[last]
    gains = np.diff(hits, axis=0, prepend=0).any(axis=1)
    reached, hits = reached[gains].astype(np.float64), hits[gains].astype(np.float64)
    found = np.empty(len(weights))
    block = max(1, BLOCK // len(hits))
    for start in range(0, len(weights), block):
        part = weights[start : start + block]
        by_threshold = part @ hits.T
        gained = np.diff(by_threshold, axis=1, prepend=0)
        with np.errstate(divide='ignore', invalid='ignore'):
            steps = np.where(gained > 0, gained * by_threshold / (part @ reached.T), 0)
        found[start : start + block] = steps.sum(axis=1)
    return found
