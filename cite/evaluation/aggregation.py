"""From the patches of a slide to the slide: five ways, none of which depends on the order of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cite.errors import ConfigError
from cite.evaluation.samples import EPSILON

AGGREGATIONS = ('mean', 'median', 'topk', 'max', 'logmean')


def check_aggregation(how: str, top_k: int = 10) -> None:
    """Raises `ConfigError` where `aggregate` knows no such way, or takes no such number."""
    if how not in AGGREGATIONS:
        raise ConfigError(
            f'No aggregation {how!r} of patches to slides; known: {", ".join(AGGREGATIONS)}.'
        )
    if isinstance(top_k, bool) or not isinstance(top_k, int | np.integer) or top_k < 1:
        raise ConfigError(f"Aggregation 'topk' takes 1 patch or more of a slide, found {top_k!r}.")


def group_rows(names: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Distinct names, sorted, and (N,) int64: which of them each row has."""
    distinct = sorted(set(names))
    number = {name: index for index, name in enumerate(distinct)}
    return distinct, np.array([number[name] for name in names], np.int64)


def aggregate(
    probabilities: np.ndarray, groups: np.ndarray, how: str = 'mean', top_k: int = 10
) -> np.ndarray:
    """Class probabilities of groups of rows; each class is summed up by itself.

    Args:
        probabilities: (N, C), each row a distribution.
        groups: (N,) the group of each row, 0..G-1, none of them without rows.
        how: 'mean'; 'median'; 'topk', the mean of the class's `top_k` highest probabilities (of all,
            where a group has fewer), which need not be of the same rows in each class (top-k pooling:
            Campanella et al. 2019 take the highest tiles of a slide); 'max', that with one; 'logmean',
            the geometric mean, of probabilities clipped to at least 1.2e-7 (`EPSILON`), so that one
            patch cannot veto a class (a product of experts: Hinton 2002). All but 'mean' are divided
            by their sum. Where all medians are 0, which takes three classes, 'median' is the mean.
        top_k: For 'topk'.

    Returns:
        (G, C) float64. A group of one row is that row.

    Raises:
        ConfigError: Another `how`, or a `top_k` below 1.
    """
    check_aggregation(how, top_k)
    values = np.asarray(probabilities)
    if how == 'logmean':
        values = np.log(np.maximum(values, EPSILON, dtype=np.float64))
    sizes = np.bincount(groups)
    columns = [_one_class(column, groups, sizes, how, top_k) for column in values.T]
    found = np.stack(columns, axis=1)
    if how == 'mean':
        return found
    if how == 'logmean':
        found = np.exp(found - found.max(axis=1, keepdims=True))
    totals = found.sum(axis=1, keepdims=True)
    if not totals.all():
        found = np.where(totals > 0, found, aggregate(probabilities, groups))
        totals = np.where(totals > 0, totals, 1)
    return found / totals


def _one_class(
    column: np.ndarray, groups: np.ndarray, sizes: np.ndarray, how: str, top_k: int
) -> np.ndarray:
    # sorted within groups: medians need it, and sums then have the same last bit in any order of rows
    values = column[np.lexsort((column, groups))].astype(np.float64)
    ends = np.cumsum(sizes)
    starts = ends - sizes
    if how == 'max':
        return values[ends - 1]
    if how == 'median':
        return (values[starts + (sizes - 1) // 2] + values[starts + sizes // 2]) / 2
    if how == 'topk':
        values[np.repeat(ends, sizes) - np.arange(len(values)) > top_k] = 0
        sizes = np.minimum(sizes, top_k)
    return np.add.reduceat(values, starts) / sizes
