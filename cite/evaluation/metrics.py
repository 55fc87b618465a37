"""Classification metrics of patches, slides and patients, exact also where classes are missing.

All values are fractions. A value that the samples do not define is None, never NaN, so that results
are valid JSON and a table shows '-' rather than a number that means nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cite.errors import DataError
from cite.evaluation.calibration import brier, classwise_ece, ece, log_loss
from cite.evaluation.predictions import Predictions
from cite.evaluation.ranking import mean_of_defined, one_vs_rest
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
LATER_KEYS = (
    'weighted_f1',
    'auprc',
    'per_class_auprc',
    'log_loss',
    'brier',
    'ece',
    'classwise_ece',
)
"""What results files of earlier versions lack."""


def evaluate(
    predictions: Predictions, aggregation: str = 'mean', top_k: int = 10
) -> dict[str, dict[str, Any]]:
    """Metrics of patches, slides and, where it is defined, patients: `{'patch': …, 'slide': …}`.

    Args:
        predictions: Of patches.
        aggregation: How patches make a slide: see `cite.evaluation.aggregation.aggregate`. A patient is
            the mean of its slides.
        top_k: Patches of a slide that count under 'topk'.

    Returns:
        Level → what `classification_metrics` returns. 'patient' is there where
        `predictions.has_patient_level`.

    Raises:
        DataError, ConfigError: as `Predictions.by_slide`.
    """
    slides = predictions.by_slide(aggregation, top_k)
    levels = {'patch': predictions, 'slide': slides}
    if slides.has_patient_level:
        levels['patient'] = slides.by_patient()
    return {
        level: classification_metrics(table.labels, table.probabilities, table.classes)
        for level, table in levels.items()
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
        weighted_f1: the same, weighted by the classes' numbers of samples
        auroc: one-vs-rest, mean over the classes that have positives and negatives, or None;
            two classes share one curve, that of the second
        per_class_auroc: class → AUROC or None
        auprc: one-vs-rest average precision, mean over the same classes, or None
        per_class_auprc: class → average precision or None
        quadratic_kappa: Cohen's kappa with weights (i - j)²; None where all labels and all
            predictions are one and the same class
        log_loss, brier, ece, classwise_ece: as `cite.evaluation.calibration`, of the probabilities
        confusion: C rows (truth) of C counts (prediction)

    Raises:
        DataError: as `Predictions`.
    """
    classes = tuple(classes)
    labels, probabilities = check_samples(labels, probabilities, classes)
    size = len(classes)
    cells = size * labels + probabilities.argmax(axis=1)
    confusion = np.bincount(cells, minlength=size**2).reshape(size, size)

    support, hits = confusion.sum(axis=1), confusion.diagonal()
    present = support > 0
    recall = hits[present] / support[present]
    per_class = dict.fromkeys(classes, None) | {
        classes[index]: float(value)
        for index, value in zip(np.flatnonzero(present), recall, strict=True)
    }
    both = support + confusion.sum(axis=0)
    seen = both > 0
    f1 = 2 * hits[seen] / both[seen]
    ranked = one_vs_rest(labels, probabilities)
    aurocs, auprcs = [one.auroc for one in ranked], [one.auprc for one in ranked]
    return {
        'n': len(labels),
        'classes': list(classes),
        'missing_classes': [
            name for name, there in zip(classes, present, strict=True) if not there
        ],
        'accuracy': float(hits.sum() / len(labels)),
        'balanced_accuracy': float(recall.mean()),
        'per_class_accuracy': per_class,
        'macro_f1': float(np.mean(f1)),
        'weighted_f1': float(np.average(f1, weights=support[seen])),
        'auroc': mean_of_defined(aurocs),
        'per_class_auroc': dict(zip(classes, aurocs, strict=True)),
        'auprc': mean_of_defined(auprcs),
        'per_class_auprc': dict(zip(classes, auprcs, strict=True)),
        'quadratic_kappa': _quadratic_kappa(confusion),
        'log_loss': log_loss(probabilities, labels),
        'brier': brier(probabilities, labels),
        'ece': ece(probabilities, labels),
        'classwise_ece': classwise_ece(probabilities, labels),
        'confusion': confusion.tolist(),
    }


def level_metrics(results: dict[str, Any], level: str) -> dict[str, Any]:
    """The metrics of a level out of what `evaluate` returned or a results file held.

    Those of an earlier version lack `LATER_KEYS`, which are then None.

    Args:
        level: 'patch', 'slide' or, where there is one, 'patient'.

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
    if all(key in found for key in LATER_KEYS):
        return found
    return {**dict.fromkeys(LATER_KEYS), **found}


def _quadratic_kappa(confusion: np.ndarray) -> float | None:
    grades = np.arange(len(confusion))
    weights = np.subtract.outer(grades, grades) ** 2
    expected = (weights * np.outer(confusion.sum(axis=1), confusion.sum(axis=0))).sum()
    if expected == 0:  # all labels and all predictions are one and the same class
        return None
    return float(1 - confusion.sum() * (weights * confusion).sum() / expected)
