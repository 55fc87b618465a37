"""The published metrics: percentages by patch and by slide ("bag"); a top score of 0 or less is wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cite.errors import DataError


def original_metrics(
    scores: NDArray[np.floating], labels: ArrayLike, slides: Sequence[str]
) -> dict[str, float | None]:
    """All of the published metrics.

    Args:
        scores: (N, C) scores, in any float format; slide means are taken in that format.
        labels: (N,) class indices.
        slides: slide of each row. A slide has the label of its first row.

    Returns:
        accuracy, accuracy_0 … accuracy_{C-1}, mean_accuracy, and the same behind `bag_` (the last one is
        `mean_bag_accuracy`), in percent. Where the published code divides by zero, because a class has
        no row, its value is None and the means are over the other classes.

    Raises:
        DataError: lengths that differ, or no row.
    """
    labels = np.asarray(labels)
    if not len(scores) or not len(scores) == len(labels) == len(slides):
        raise DataError(
            f'scores, labels and slides must be of one length above 0, found {len(scores)}, '
            f'{len(labels)} and {len(slides)}'
        )
    rows: dict[str, list[int]] = {}
    for row, slide in enumerate(slides):
        rows.setdefault(slide, []).append(row)
    bag_scores = np.array([scores[members].mean(axis=0) for members in rows.values()])
    bag_labels = labels[[members[0] for members in rows.values()]]
    return {**_level(bag_scores, bag_labels, 'bag_'), **_level(scores, labels, '')}


def _level(scores: NDArray, labels: NDArray, prefix: str) -> dict[str, float | None]:
    top = scores.argmax(axis=1)
    hits = (top == labels) & (scores[np.arange(len(scores)), top] > 0)
    of_class = {
        f'{prefix}accuracy_{label}': _percent(hits[labels == label])
        for label in range(scores.shape[1])
    }
    present = [value for value in of_class.values() if value is not None]
    return {
        f'{prefix}accuracy': _percent(hits),
        **of_class,
        f'mean_{prefix}accuracy': float(np.mean(present)) if present else None,
    }


def _percent(hits: NDArray[np.bool_]) -> float | None:
    # in float32, as there
    return float(np.float32(hits.sum()) * np.float32(100 / len(hits))) if len(hits) else None
