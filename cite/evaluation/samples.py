"""The one check that labels and class probabilities pass before anything is computed from them."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from cite.errors import DataError

EPSILON = float(np.finfo(np.float32).eps)
"""1.19e-7: what a float32 next to 1 still tells from 1, and where logarithms of probabilities are cut."""


def check_samples(
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Iterable[str],
    names: list[str] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Labels as (N,) int64 and probabilities as (N, C) float32, or a `DataError` that says why not.

    Args:
        names: N names to call bad rows by; their row numbers by default.
    """
    classes = tuple(classes)
    labels, probabilities = np.asarray(labels), np.asarray(probabilities, dtype=np.float32)
    if len(classes) < 2 or len(set(classes)) != len(classes):
        raise DataError(f'Predictions need two or more distinct class names, found {classes}.')
    if labels.ndim != 1 or len(labels) == 0:
        raise DataError(f'Predictions need one label per sample, found shape {labels.shape}.')
    if probabilities.shape != (len(labels), len(classes)):
        raise DataError(
            f'Probabilities must have shape (samples, classes) = {(len(labels), len(classes))}, '
            f'found {probabilities.shape}.'
        )
    if names is not None and len(names) != len(labels):
        names = None
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f'Labels must be class indices (integers), found {labels.dtype}.')
    _reject(
        (labels < 0) | (labels >= len(classes)), names, f'a label outside 0..{len(classes) - 1}'
    )
    # rows are looked at one by one only where one of them is bad: this runs for every metric
    if not np.isfinite(probabilities).all():
        _reject(~np.isfinite(probabilities).all(axis=1), names, 'probabilities that are not finite')
    # half precision rounds a sum by less than a percent; logits miss by far more
    off = np.abs(probabilities @ np.ones(len(classes), np.float32) - 1) > 1e-2
    if off.any() or probabilities.min() < -1e-6:
        off |= (probabilities < -1e-6).any(axis=1)
        _reject(off, names, 'probabilities that do not sum to 1 (apply softmax to logits)')
    return labels.astype(np.int64), probabilities


def check_scores(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, C) float32 and (N,) int64, as `check_samples` has them, of classes without names."""
    columns = np.shape(probabilities)[1:]
    names = map(str, range(columns[0] if columns else 0))
    labels, probabilities = check_samples(labels, probabilities, names)
    return probabilities, labels


def _reject(bad: np.ndarray, names: list[str] | None, what: str) -> None:
    rows = np.flatnonzero(bad)
    if rows.size:
        first = ', '.join(f'row {row}' if names is None else names[row] for row in rows[:5])
        raise DataError(f'{rows.size} of {len(bad)} samples have {what}, first: {first}.')
