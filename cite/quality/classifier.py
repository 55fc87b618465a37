"""A classifier of two kinds, its threshold, and how well that holds on examples which decided nothing.

Examples are divided in three, within each kind: half trains, a quarter sets the threshold, the rest
measures; pictures of one unit (slide, patient, copies of a picture) are on one side. So the numbers are of
pictures that neither weights nor threshold have seen; they still are of examples as given, and the
precision is that of their mixture, not of the collection's.
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


def divide(
    labels: NDArray[np.bool_],
    shares: tuple[float, ...],
    seed: int,
    units: NDArray[np.int64] | None = None,
) -> list[NDArray]:
    """Rows of each part; every part has its share of both kinds, as far as units allow.

    Args:
        labels: (N,), True for positives.
        shares: Of the parts; wholes of the smallest, and 1 in all.
        seed: Of the division.
        units: (N,) numbers; rows with one number are in one part. Default: each row its own.

    Raises:
        DataError: Fewer than `LEAST` examples of a kind, or too few units of one for the parts.
    """
    folds = round(1 / min(shares))
    units = np.arange(len(labels)) if units is None else units
    for kind, name in ((True, 'positives'), (False, 'negatives')):
        rows = np.flatnonzero(labels == kind)
        if len(rows) < LEAST:
            raise DataError(
                f'expected at least {LEAST} {name}, copies not counted, which are divided into parts to '
                f'train, to set a threshold and to measure; found {len(rows)}'
            )
        if len(np.unique(units[rows])) < folds:
            raise DataError(
                f'the {len(rows)} {name} are of {len(np.unique(units[rows]))} slides or patients, which '
                f'are divided as wholes to train, to set a threshold and to measure; give examples of at '
                f'least {folds}'
            )
    pieces = _in_folds(labels, units, folds, seed)
    # the parts come in the order of their need: what trains takes the fullest
    pieces.sort(key=lambda rows: -min(int(labels[rows].sum()), int((~labels[rows]).sum())))
    ends = np.rint(np.cumsum(shares) * folds).astype(int)
    starts = [0, *ends[:-1].tolist()]
    parts = [
        np.sort(np.concatenate(pieces[start:end]))
        for start, end in zip(starts, ends.tolist(), strict=True)
    ]
    if any(labels[part].all() or not labels[part].any() for part in parts):
        raise DataError(
            'the examples cannot be divided so that each part has positives and negatives: too few slides '
            'or patients hold most of them; give examples of more'
        )
    return parts


def fit(
    features: NDArray,
    labels: NDArray[np.bool_],
    unit: bool,
    seed: int,
    units: NDArray[np.int64] | None = None,
) -> Any:
    """Logistic regression on standardised features; its strength is chosen by cross-validation.

    Args:
        features: (N, D).
        labels: (N,), True for the wanted kind.
        unit: Bring rows to unit length first, as features of towers are compared by cosine.
        seed: Of the folds.
        units: (N,) numbers; rows with one number are in one fold. Default: each row its own.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import FunctionTransformer, StandardScaler

    units = np.arange(len(labels)) if units is None else units
    count = min(len(np.unique(units[labels == kind])) for kind in (True, False))
    pieces = _in_folds(labels, units, min(5, count), seed) if count > 1 else []
    splits = [(np.setdiff1d(np.arange(len(labels)), piece), piece) for piece in pieces]
    usable = [pair for pair in splits if all(len(np.unique(labels[rows])) == 2 for rows in pair)]
    model: Any = LogisticRegression(max_iter=2000, class_weight='balanced')
    if usable:  # of one slide with both kinds there are none
        model = GridSearchCV(model, {'C': np.logspace(-4, 2, 7)}, cv=usable, scoring='neg_log_loss')
    steps = [FunctionTransformer(to_unit)] if unit else []
    return make_pipeline(*steps, StandardScaler(), model).fit(features, labels)


def _in_folds(
    labels: NDArray[np.bool_], units: NDArray[np.int64], folds: int, seed: int
) -> list[NDArray]:
    """Rows of each fold: units as wholes, kinds in their shares as far as units allow.

    A unit goes where there is least of what it holds; units with both kinds first, then large ones.
    scikit-learn's StratifiedGroupKFold takes those with both kinds last, which leaves folds without a kind
    where slides are few.
    """
    names, unit = np.unique(units, return_inverse=True)
    held = np.zeros((len(names), 2))
    np.add.at(held, (unit, labels.astype(np.int64)), 1)
    held /= held.sum(axis=0)
    shuffled = np.random.default_rng(seed).permutation(len(names))
    order = sorted(shuffled.tolist(), key=lambda u: (-held[u].min(), -held[u].max()))
    loads = np.zeros((folds, 2))
    fold_of = np.empty(len(names), np.int64)
    for one in order:
        own = np.round(loads @ held[one], 12)  # so that equal loads tie
        fold = int(np.lexsort((np.round(loads.sum(axis=1), 12), own))[0])
        fold_of[one] = fold
        loads[fold] += held[one]
    return [np.flatnonzero(fold_of[unit] == fold) for fold in range(folds)]


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
