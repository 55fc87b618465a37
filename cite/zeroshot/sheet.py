"""Which images a page shows of each class: those the model is most certain of, and its worst mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cite.experiments.names import short_names
from cite.experiments.picture import GREEN, VERMILION
from cite.zeroshot.findings import Findings

if TYPE_CHECKING:
    from PIL import Image

CELLS = 6
"""Images of a row."""
CAPTION = 17  # characters of a class's name below a thumbnail
MOST_CLASSES = 12
"""Classes that are shown; those with most images."""


def draw_sheet(found: Findings) -> Image.Image:
    """Rows of thumbnails per class.

    With labels: the images of a class that are given to it with the highest probability, and those given to
    another with the highest. Without: those given to it with the highest.
    """
    from cite.images.contact_sheet import Cell, Row, contact_sheet

    scores = found.scores
    names, probabilities, labels = scores.classes.names, scores.probabilities, found.labels
    predicted = scores.predicted
    short = short_names(names, CAPTION)
    certainty = probabilities.max(axis=1)

    def given(row: int) -> str:
        return '' if labels is None else f' {short[predicted[row]]}'

    def cells(rows: np.ndarray, colour: str | None) -> list[Cell]:
        return [
            Cell(
                found.files[row],
                f'{certainty[row]:.2f}{given(row)}\n{found.files[row].name}',
                colour,
            )
            for row in rows
        ]

    shown = []
    for index in shown_classes(found):
        name = names[index]
        if labels is None:
            rows = _first(predicted == index, certainty)
            count = int((predicted == index).sum())
            shown.append(Row(f'{name} · most certain of {count}', cells(rows, None)))
            continue
        own = labels == index
        right, wrong = own & (predicted == index), own & (predicted != index)
        for what, members, colour in (('right', right, GREEN), ('wrong', wrong, VERMILION)):
            title = f'{name} · {what}: {int(members.sum())} of {int(own.sum())}'
            chosen = _first(members, certainty)
            shown.append(Row(title, cells(chosen, colour)))
    return contact_sheet(shown, side=150, columns=CELLS)


def shown_classes(found: Findings) -> list[int]:
    """Of at most 12 classes, in their order: those with most images, by label or else by prediction."""
    of_images = found.scores.predicted if found.labels is None else found.labels
    counts = np.bincount(of_images, minlength=len(found.scores.classes))
    most = np.argsort(-counts, kind='stable')[:MOST_CLASSES]
    return sorted(int(index) for index in most if counts[index])


def _first(members: np.ndarray, certainty: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(members)
    return rows[np.argsort(-certainty[rows], kind='stable')][:CELLS]
