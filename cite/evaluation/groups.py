"""Metrics of parts of a test set: by stain, by laboratory, by whatever groups slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cite.errors import DataError
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions


@dataclass(frozen=True)
class GroupMetrics:
    """What a model did on one group of slides.

    Attributes:
        name: Of the group.
        slides: Their ids, sorted.
        slides_per_class: Class name → slides.
        metrics: As `evaluate` gives them: 'patch', 'slide' and, where it is defined, 'patient'.
    """

    name: str
    slides: tuple[str, ...]
    slides_per_class: dict[str, int]
    metrics: dict[str, dict[str, Any]]

    @property
    def missing(self) -> list[str]:
        """Classes without a slide: balanced accuracy is over the others, and not comparable."""
        return [name for name, count in self.slides_per_class.items() if count == 0]


def metrics_by_group(
    predictions: Predictions,
    group_of: Mapping[str, str],
    aggregation: str = 'mean',
    top_k: int = 10,
) -> list[GroupMetrics]:
    """Metrics of each group of slides, in order of the groups' names.

    Args:
        predictions: Of the patches of all groups.
        group_of: Slide → name of its group. Slides of it that were not predicted are left out.
        aggregation: How patches make a slide, as `evaluate` takes it.
        top_k: Likewise.

    Raises:
        DataError: A slide without a group.
    """
    without = sorted(set(predictions.slides) - group_of.keys())
    if without:
        raise DataError(f'{len(without)} slides have no group, first: {", ".join(without[:5])}')
    groups = np.array([group_of[slide] for slide in predictions.slides])
    found = []
    for name in sorted(set(groups.tolist())):
        part = select(predictions, np.flatnonzero(groups == name))
        slides = part.by_slide()
        counts = np.bincount(slides.labels, minlength=len(part.classes))
        found.append(
            GroupMetrics(
                name=name,
                slides=tuple(slides.slides),
                slides_per_class=dict(zip(part.classes, counts.tolist(), strict=True)),
                metrics=evaluate(part, aggregation, top_k),
            )
        )
    return found


def select(predictions: Predictions, rows: Sequence[int] | np.ndarray) -> Predictions:
    """The predictions of some rows, in that order."""

    def of(column: list[str]) -> list[str]:
        return [column[row] for row in rows]

    return Predictions(
        files=of(predictions.files),
        labels=predictions.labels[rows],
        probabilities=predictions.probabilities[rows],
        slides=of(predictions.slides),
        classes=predictions.classes,
        patients=None if predictions.patients is None else of(predictions.patients),
    )


def gap(groups: Sequence[GroupMetrics], level: str, key: str) -> tuple[str, str, float] | None:
    """Best group, worst group and the difference between them, in a metric of 'patch' or 'slide'.

    Returns:
        Names and difference; None where less than two groups define the metric.
    """
    values = [
        (group.metrics[level][key], group.name)
        for group in groups
        if group.metrics[level][key] is not None
    ]
    if len(values) < 2:
        return None
    best = min(values, key=lambda one: (-one[0], one[1]))
    worst = min(values)
    return best[1], worst[1], best[0] - worst[0]
