"""How well each class's probability ranks its samples before all others: AUROC and average precision.

The values are scikit-learn's `roc_auc_score` and `average_precision_score`, which a test holds. They are
computed here because both come of one sort, and because what scikit-learn checks at every call takes ten
times as long as the numbers, which a report of hundreds of runs would wait for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Ranking(NamedTuple):
    """Both are None without samples of the class, or without samples of others."""

    auroc: float | None
    """0..1, 0.5 by chance: share of pairs in the right order, a tie counting half."""
    auprc: float | None
    """0..1, the class's share of the samples by chance: the sum over distinct thresholds of precision
    times the step in recall, without interpolation."""


def one_vs_rest(labels: np.ndarray, probabilities: np.ndarray) -> list[Ranking]:
    """Each class against all others.

    Two classes share one AUROC, that of the second column. Average precision differs between them: each
    class is ranked by its own column.

    Args:
        labels: (N,) class indices.
        probabilities: (N, C).

    Returns:
        C rankings.
    """
    found = [rank(labels == index, column) for index, column in enumerate(probabilities.T)]
    if len(found) == 2:
        # In float32, 1 - p ties where p does not (p = 1e-9 and 1e-10), so the two columns of a
        # binary task could give two values; use the second, as is the custom.
        found[0] = found[0]._replace(auroc=found[1].auroc)
    return found


def rank(positive: np.ndarray, scores: np.ndarray) -> Ranking:
    """How (N,) scores rank the positive (N,) samples before the others."""
    positives = int(positive.sum())
    negatives = len(positive) - positives
    if not positives or not negatives:
        return Ranking(None, None)
    order = np.argsort(-scores)
    descending = scores[order]
    last = np.flatnonzero(np.append(descending[1:] != descending[:-1], True))  # of equal scores
    above = np.cumsum(positive[order])[last]
    step = np.diff(above, prepend=0)
    below = negatives - (last + 1 - above)
    level = -np.diff(below, prepend=negatives)
    # whole numbers up to the division, so that it is exact
    auroc = (step * (2 * below + level)).sum() / (2 * positives * negatives)
    return Ranking(float(auroc), float((step / positives * (above / (last + 1))).sum()))


def mean_of_defined(values: Sequence[float | None]) -> float | None:
    """None where none of them is defined."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None
