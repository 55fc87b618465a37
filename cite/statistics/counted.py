"""Metrics of weighted units that follow from the confusion: counts per unit, times the weights.

The definitions are those of `cite.evaluation.metrics`; integer weights give what it gives for rows
repeated as often.
"""

from __future__ import annotations

import numpy as np

COUNTED = ('accuracy', 'balanced_accuracy', 'macro_f1', 'weighted_f1', 'quadratic_kappa')


def unit_confusions(
    labels: np.ndarray, probabilities: np.ndarray, unit: np.ndarray, n_units: int
) -> np.ndarray:
    """(U, S, C, C) counts of truth and prediction per unit and run.

    Args:
        labels: (N,).
        probabilities: (S, N, C).
        unit: (N,) in 0..n_units-1.
    """
    runs, _, size = probabilities.shape
    cells = size * labels + probabilities.argmax(axis=2)
    at = ((unit * runs)[None] + np.arange(runs)[:, None]) * size**2 + cells
    found = np.bincount(at.ravel(), minlength=n_units * runs * size**2)
    return found.reshape(n_units, runs, size, size).astype(np.float64)


def weigh(counts: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B, S, C, C): the confusions of B weightings (B, U) of units."""
    flat = weights @ counts.reshape(len(counts), -1)
    return flat.reshape(len(weights), *counts.shape[1:])


def from_confusion(metric: str, confusion: np.ndarray) -> np.ndarray:
    """A metric of COUNTED of confusions (..., C, C), NaN where it is not defined; shape (...)."""
    support, said = confusion.sum(axis=-1), confusion.sum(axis=-2)
    hits = np.diagonal(confusion, axis1=-2, axis2=-1)
    total = support.sum(axis=-1)
    with np.errstate(divide='ignore', invalid='ignore'):
        if metric == 'accuracy':
            return hits.sum(axis=-1) / total
        if metric == 'balanced_accuracy':
            return _mean_where(hits / support, support > 0)
        f1 = 2 * hits / (support + said)
        if metric == 'macro_f1':
            return _mean_where(f1, support + said > 0)
        if metric == 'weighted_f1':
            return np.where(support > 0, f1 * support, 0).sum(axis=-1) / total
        index = np.arange(confusion.shape[-1])
        cost = (index[:, None] - index) ** 2
        observed = (confusion * cost).sum(axis=(-2, -1))
        expected = np.einsum('...i,...j,ij->...', support, said, cost) / total
        return 1 - observed / expected


def _mean_where(values: np.ndarray, defined: np.ndarray) -> np.ndarray:
    return np.where(defined, values, 0).sum(axis=-1) / defined.sum(axis=-1)
