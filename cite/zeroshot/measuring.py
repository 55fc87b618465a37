"""Scores beside labels: metrics of patches and slides."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from cite.data.table import PatchTable
from cite.errors import DataError
from cite.evaluation.metrics import classification_metrics, evaluate
from cite.evaluation.predictions import Predictions
from cite.zeroshot.scores import ZeroShotScores, softmax


def predictions(scores: ZeroShotScores, table: PatchTable) -> Predictions:
    """The scores beside the labels of a table whose rows are theirs, for `cite.evaluation`.

    Raises:
        DataError: Another number of rows, or a label that is no class.
    """
    return _predictions(scores, scores.probabilities, table)


def measure(scores: ZeroShotScores, table: PatchTable) -> dict[str, dict[str, Any]]:
    """Metrics of patches and, where slides are known, of slides: the mean probability of their patches.

    Args:
        table: Labels and slides of the rows, in their order. Where each patch is its own slide, or slides
            hold patches of several classes, there is no level of slides.

    Returns:
        Level ('patch', 'slide', 'patient') → what `cite.evaluation.metrics.classification_metrics` returns.

    Raises:
        DataError: As `predictions`.
    """
    found = predictions(scores, table)
    if has_slides(table):
        return evaluate(found)
    return {'patch': classification_metrics(found.labels, found.probabilities, found.classes)}


def measure_cosines(
    scores: ZeroShotScores, cosines: np.ndarray, table: PatchTable
) -> dict[str, Any]:
    """Metrics of patches by other cosines (N, C), such as those of one template."""
    found = _predictions(scores, softmax(cosines, scores.scale), table)
    return classification_metrics(found.labels, found.probabilities, found.classes)


def has_slides(table: PatchTable) -> bool:
    """Whether slides are more than the patches themselves, and have one class each."""
    if (table.slides == table.files).all():
        return False
    return not _slides_of_several(table)


def drawn(table: PatchTable) -> str:
    """What intervals are drawn over: 'patients', 'slides' or 'images, as if they were independent'."""
    if table.patients is not None:
        return 'patients'
    known = not (table.slides == table.files).all()
    return 'slides' if known else 'images, as if they were independent'


def notes(scores: ZeroShotScores, table: PatchTable) -> list[str]:
    """What a reader should know of labels and slides, a sentence each: numbers that were taken as places of
    classes, slides of several classes.

    Raises:
        DataError: As `predictions`.
    """
    found = []
    numbered = scores.classes.numbered(table)
    if numbered:
        pairs = [f'{label} → {name}' for label, name in numbered.items()]
        shown = ', '.join(pairs[:20]) + (f', … ({len(pairs)} in all)' if len(pairs) > 20 else '')
        found.append(f'labels that are numbers are places among the classes, from 0: {shown}')
    several = _slides_of_several(table)
    if several:
        found.append(
            f'{several} of {len(np.unique(table.slides))} slides have patches of several classes, so '
            f'nothing is measured of slides; intervals are over {drawn(table)} all the same'
        )
    return found


def _slides_of_several(table: PatchTable) -> int:
    """Slides whose patches have more than one class."""
    pairs = {(slide, int(label)) for slide, label in zip(table.slides, table.labels, strict=True)}
    return sum(count > 1 for count in Counter(slide for slide, _ in pairs).values())


def _predictions(
    scores: ZeroShotScores, probabilities: np.ndarray, table: PatchTable
) -> Predictions:
    if len(table) != len(probabilities):
        raise DataError(
            f'{table.source}: {len(table)} patches, but scores of {len(probabilities)}; '
            'give the rows that were scored'
        )
    return Predictions(
        files=table.files.tolist(),
        labels=scores.classes.labels_of(table),
        probabilities=probabilities,
        slides=table.slides.tolist(),
        classes=scores.classes.names,
        patients=None if table.patients is None else table.patients.tolist(),
    )
