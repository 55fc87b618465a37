"""A classifier of two kinds, its threshold, and how well that holds on examples which decided nothing.

Examples are divided in three, within each kind: half trains, a quarter sets the threshold, the rest
measures. So the numbers are of pictures that neither weights nor threshold have seen; they still are of
examples as given, and the precision is that of their mixture, not of the collection's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from cite.errors import DataError
from cite.quality.unit import to_unit

LEAST = 8
"""Examples of a kind: with fewer, a part of them is a picture or none."""

Target = Literal['recall', 'precision']


@dataclass(frozen=True)
class Threshold:
    """From which score on a picture is of the wanted kind.

    Attributes:
        value: That score.
        target, wanted: What it was chosen for, and how much of it.
        chosen: Recall and precision on the examples that chose it.
        measured: The same with intervals, and AUROC, on those that decided nothing.
    """

    value: float
    target: Target
    wanted: float
    chosen: dict[str, Any]
    measured: dict[str, Any]


def divide(labels: NDArray[np.bool_], shares: tuple[float, ...], seed: int) -> list[NDArray]:
    """Rows of each part; every part has its share of both kinds.

    Raises:
        DataError: Fewer than `LEAST` examples of a kind.
    """
    rng = np.random.default_rng(seed)
    parts: list[list[NDArray]] = [[] for _ in shares]
    for kind, name in ((True, 'positives'), (False, 'negatives')):
        rows = np.flatnonzero(labels == kind)
        if len(rows) < LEAST:
            raise DataError(
                f'expected at least {LEAST} {name}, which are divided into parts to train, to set a '
                f'threshold and to measure; found {len(rows)}'
            )
        rows = rng.permutation(rows)
        ends = np.rint(np.cumsum(shares) * len(rows)).astype(int)
        for part, piece in zip(parts, np.split(rows, ends[:-1]), strict=True):
            part.append(piece)
    return [np.sort(np.concatenate(part)) for part in parts]


def fit(features: NDArray, labels: NDArray[np.bool_], unit: bool, seed: int) -> Any:
    """Logistic regression on standardised features; its strength is chosen by cross-validation.

    Args:
        features: (N, D).
        labels: (N,), True for the wanted kind.
        unit: Bring rows to unit length first, as features of towers are compared by cosine.
        seed: Of the folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    folds = StratifiedKFold(max(2, min(5, int(min(labels.sum(), (~labels).sum())))), shuffle=True)
    folds.random_state = seed
    search = GridSearchCV(
        LogisticRegression(max_iter=2000, class_weight='balanced'),
        {'C': np.logspace(-4, 2, 7)},
        cv=folds,
        scoring='neg_log_loss',
    )
    steps = [FunctionTransformer(to_unit)] if unit else []
    return make_pipeline(*steps, StandardScaler(), search).fit(features, labels)


def choose_threshold(
    scores: NDArray, labels: NDArray[np.bool_], target: Target, wanted: float
) -> float:
    """The threshold that reaches the target at the least cost of the other measure.

    It lies half-way between the score that still counts and the next lower one, so that pictures a little
    beyond the examples are treated like them.

    Raises:
        DataError: No threshold reaches that precision.
    """
    order = np.unique(scores)[::-1]
    if target == 'recall':
        positives = np.sort(scores[labels])[::-1]
        needed = max(1, int(np.ceil(wanted * len(positives) - 1e-9)))
        lowest = positives[needed - 1]
    else:
        # the lowest that reaches it keeps the most
        good = [value for value in order if labels[scores >= value].mean() >= wanted - 1e-9]
        if not good:
            best = max(float(labels[scores >= value].mean()) for value in order)
            raise DataError(
                f'no threshold reaches a precision of {wanted:g} on the held-out examples, at most '
                f'{best:.3f}; lower --target-precision or give better examples'
            )
        lowest = min(good)
    below = order[order < lowest]
    return float(lowest if not len(below) else (lowest + below[0]) / 2)


def measure(scores: NDArray, labels: NDArray[np.bool_], threshold: float) -> dict[str, Any]:
    """Recall and precision with 95% Wilson intervals, counts, AUROC."""
    from scipy.stats import binomtest
    from sklearn.metrics import roc_auc_score

    kept = scores >= threshold
    right = int((kept & labels).sum())
    found: dict[str, Any] = {
        'positives': int(labels.sum()),
        'negatives': int((~labels).sum()),
        'positives_kept': right,
        'negatives_kept': int((kept & ~labels).sum()),
        'auroc': float(roc_auc_score(labels, scores)),
    }
    for name, total in (('recall', int(labels.sum())), ('precision', int(kept.sum()))):
        if not total:
            found[name] = found[f'{name}_interval'] = None
            continue
        bounds = binomtest(right, total).proportion_ci(0.95, method='wilson')
        found[name] = right / total
        found[f'{name}_interval'] = [float(bounds.low), float(bounds.high)]
    return found
