"""Classification metrics of patches and of slides, exact also where classes are missing.

All values are fractions. A value that the samples do not define is None, never NaN, so that results
are valid JSON and a table shows '-' rather than a number that means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cite.errors import DataError
from cite.evaluation.predictions import Predictions
from cite.evaluation.samples import check_samples

KEYS = (
    'n',
    'classes',
    'missing_classes',
    'accuracy',
    'balanced_accuracy',
    'per_class_accuracy',
    'macro_f1',
    'auroc',
    'per_class_auroc',
    'quadratic_kappa',
    'confusion',
)


def evaluate(predictions: Predictions) -> dict[str, dict[str, Any]]:
    """Metrics of the patches and of the slides (mean probability): `{'patch': …, 'slide': …}`.

    Each level is what `classification_metrics` returns.
    """
    return {
        level: classification_metrics(table.labels, table.probabilities, table.classes)
        for level, table in (('patch', predictions), ('slide', predictions.by_slide()))
    }


def classification_metrics(
    labels: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]
) -> dict[str, Any]:
    """Metrics of N samples over C classes; the prediction is the first most probable class.

    Args:
        labels: (N,) true class indices, N >= 1.
        probabilities: (N, C) class probabilities.
        classes: C names. Quadratic kappa takes their order as the order of grades, so it means
            something only for ordinal classes (with two classes it is Cohen's kappa).

    Returns:
        n, classes, missing_classes: number of samples, names, names without a sample
        accuracy
        balanced_accuracy: mean recall over the classes that have samples
        per_class_accuracy: class → recall, None without samples
        macro_f1: mean of 2TP / (2TP + FP + FN) over the classes where it is defined: a class
            without samples counts, with 0, once something is predicted as it
        auroc: one-vs-rest, mean over the classes that have positives and negatives, or None;
            two classes share one curve, that of the second
        per_class_auroc: class → AUROC or None
        quadratic_kappa: Cohen's kappa with weights (i - j)²; None where all labels and all
            predictions are one and the same class
        confusion: C rows (truth) of C counts (prediction)

    Raises:
        DataError: as `Predictions`.
    """
    from sklearn.metrics import cohen_kappa_score, confusion_matrix, f1_score

    classes = tuple(classes)
    labels, probabilities = check_samples(labels, probabilities, classes)
    predicted = probabilities.argmax(axis=1)
    indices = list(range(len(classes)))
    confusion = confusion_matrix(labels, predicted, labels=indices)

    support, hits = confusion.sum(axis=1), confusion.diagonal()
    present = support > 0
    recall = hits[present] / support[present]
    per_class = dict.fromkeys(classes, None) | {
        classes[index]: float(value)
        for index, value in zip(np.flatnonzero(present), recall, strict=True)
    }
    seen = np.flatnonzero(support + confusion.sum(axis=0))
    kappa = None
    if len(seen) > 1:
        kappa = float(cohen_kappa_score(labels, predicted, labels=indices, weights='quadratic'))
    aurocs = _one_vs_rest_auroc(labels, probabilities)
    defined = [value for value in aurocs if value is not None]
    return {
        'n': len(labels),
        'classes': list(classes),
        'missing_classes': [
            name for name, there in zip(classes, present, strict=True) if not there
        ],
        'accuracy': float(hits.sum() / len(labels)),
        'balanced_accuracy': float(recall.mean()),
        'per_class_accuracy': per_class,
        'macro_f1': float(
            f1_score(labels, predicted, labels=seen, average='macro', zero_division=0)
        ),
        'auroc': float(np.mean(defined)) if defined else None,
        'per_class_auroc': dict(zip(classes, aurocs, strict=True)),
        'quadratic_kappa': kappa,
        'confusion': confusion.tolist(),
    }


def level_metrics(results: dict[str, Any], level: str) -> dict[str, Any]:
    """The metrics of 'patch' or 'slide' out of what `evaluate` returned or a results file held.

    Raises:
        DataError: they are not there or not complete.
    """
    found = results.get(level)
    if not isinstance(found, dict):
        found = {}
    missing = [key for key in KEYS if key not in found]
    if missing:
        raise DataError(
            f"Results at '{level}' lack {', '.join(missing[:5])} ({len(missing)} keys); "
            f'they should come from cite.evaluation.metrics.evaluate.'
        )
    return found


def _one_vs_rest_auroc(labels: np.ndarray, probabilities: np.ndarray) -> list[float | None]:
    from sklearn.metrics import roc_auc_score

    values: list[float | None] = []
    n_classes = probabilities.shape[1]
    for index in range(n_classes):
        # In float32, 1 - p ties where p does not (p = 1e-9 and 1e-10), so the two columns of a
        # binary task could give two values; use the second, as is the custom.
        column = 1 if n_classes == 2 else index
        positive = labels == column
        if positive.all() or not positive.any():
            values.append(None)
        else:
            values.append(float(roc_auc_score(positive, probabilities[:, column])))
    return values
