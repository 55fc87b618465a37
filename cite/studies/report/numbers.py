"""What the report takes from `evaluation`, in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cite.evaluation import calibration
from cite.evaluation.groups import select
from cite.evaluation.metrics import classification_metrics
from cite.evaluation.predictions import Predictions
from cite.evaluation.selective import risk_coverage, selective_metrics

__all__ = ['select']

METRICS = (
    'accuracy',
    'balanced_accuracy',
    'macro_f1',
    'weighted_f1',
    'auroc',
    'auprc',
    'quadratic_kappa',
    'log_loss',
    'ece',
    'classwise_ece',
    'brier',
)
CALIBRATION = ('log_loss', 'ece', 'brier')
SELECTIVE = ('aurc', 'accuracy_at_80')
COLUMNS = (*METRICS, *(f'{name}_calibrated' for name in CALIBRATION), *SELECTIVE)
"""Metrics of the tables, in order."""

Value = float | int | None
BINS = 10  # of reliability diagrams: fewer than of the calibration error, so that slides fill them


def by_level(predictions: Predictions, aggregation: str, top_k: int) -> dict[str, Predictions]:
    """'patch', 'slide' and, where patients are known and have one label each, 'patient' → predictions."""
    slides = predictions.by_slide(aggregation, top_k)
    found = {'patch': predictions, 'slide': slides}
    if slides.has_patient_level:
        found['patient'] = slides.by_patient()
    return found


def scaled(predictions: Predictions, temperature: float) -> Predictions:
    """The same predictions with softmax temperature `temperature`: of patches, as it was fitted."""
    return replace(
        predictions,
        probabilities=calibration.apply_temperature(predictions.probabilities, temperature),
    )


def run_metrics(table: Predictions, calibrated: Predictions | None) -> dict[str, Value]:
    """'n' and `COLUMNS` of one run at one level.

    Args:
        table: One row per unit of the level.
        calibrated: The same after temperature scaling, or None.
    """
    found = classification_metrics(table.labels, table.probabilities, table.classes)
    values: dict[str, Value] = {'n': len(table), **{name: found[name] for name in METRICS}}
    of = {'log_loss': calibration.log_loss, 'ece': calibration.ece, 'brier': calibration.brier}
    for name in CALIBRATION:
        values[f'{name}_calibrated'] = (
            None if calibrated is None else of[name](calibrated.probabilities, calibrated.labels)
        )
    selective = selective_metrics(table.probabilities, table.labels)
    return values | {name: selective[name] for name in SELECTIVE}


def risk_at(table: Predictions, coverage: NDArray[np.float64]) -> NDArray[np.float64]:
    """Error among the most confident share of rows, at each of the shares."""
    curve = risk_coverage(table.probabilities, table.labels)
    return np.array([1 - curve.accuracy_at(float(share)) for share in coverage])


@dataclass(frozen=True)
class Bins:
    """A reliability diagram of several runs together.

    Attributes:
        edges: (B + 1,)
        confidence: (B,) mean in each bin, NaN where it is empty.
        accuracy: (B,) share that is right, NaN where it is empty.
        count: (B,)
    """

    edges: NDArray[np.float64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    count: NDArray[np.int64]


def reliability(tables: Sequence[Predictions], bins: int = BINS) -> Bins:
    """Of the rows of all tables together."""
    found = calibration.reliability(
        np.concatenate([table.probabilities for table in tables]),
        np.concatenate([table.labels for table in tables]),
        bins,
    )
    return Bins(
        np.array([found[0].lower, *(one.upper for one in found)]),
        np.array([np.nan if one.confidence is None else one.confidence for one in found]),
        np.array([np.nan if one.accuracy is None else one.accuracy for one in found]),
        np.array([one.count for one in found]),
    )
