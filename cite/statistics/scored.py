"""Log loss, Brier score and calibration error of weighted units: sums per unit, times the weights."""

from __future__ import annotations

import numpy as np

from cite.evaluation.calibration import BINS
from cite.evaluation.samples import EPSILON

AVERAGED = ('log_loss', 'brier')


def unit_sums(
    metric: str, labels: np.ndarray, probabilities: np.ndarray, unit: np.ndarray, n_units: int
) -> tuple[np.ndarray, np.ndarray]:
    """(U, S) sums of a metric of AVERAGED over the rows of units, and (U,) numbers of rows."""
    if metric == 'log_loss':
        of_truth = probabilities[:, np.arange(len(labels)), labels]
        values = -np.log(np.clip(of_truth, EPSILON, 1 - EPSILON))
    else:
        truth = np.eye(probabilities.shape[2])[labels]
        values = ((probabilities - truth) ** 2).sum(axis=2)
    sums = np.stack([np.bincount(unit, weights=v, minlength=n_units) for v in values], axis=1)
    return sums, np.bincount(unit, minlength=n_units).astype(np.float64)


def unit_gaps(
    labels: np.ndarray, probabilities: np.ndarray, unit: np.ndarray, n_units: int
) -> tuple[np.ndarray, np.ndarray]:
    """(U, S, BINS) sums of (right - confidence) over rows in each bin of confidence; (U,) rows."""
    runs = len(probabilities)
    confidence = probabilities.max(axis=2)
    right = probabilities.argmax(axis=2) == labels
    edges = np.linspace(
        0, 1, BINS + 1, dtype=np.float32
    )  # as `cite.evaluation.calibration.reliability`
    bins = np.clip(np.searchsorted(edges, confidence.astype(np.float32)) - 1, 0, BINS - 1)
    at = ((unit * runs)[None] + np.arange(runs)[:, None]) * BINS + bins
    gaps = np.bincount(
        at.ravel(), weights=(right - confidence).ravel(), minlength=n_units * runs * BINS
    ).reshape(n_units, runs, BINS)
    return gaps, np.bincount(unit, minlength=n_units).astype(np.float64)


def calibration_error(gaps: np.ndarray, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B, S): the sum over bins of |sum of gaps|, per row."""
    flat = weights @ gaps.reshape(len(gaps), -1)
    total = np.abs(flat.reshape(len(weights), *gaps.shape[1:])).sum(axis=2)
    return total / (weights @ rows)[:, None]
