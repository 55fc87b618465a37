"""Folds of the training slides: every slide is held out once, whole."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cite.data.randomness import generator
from cite.errors import DataError


class Fold(NamedTuple):
    """Patches to train on and patches to judge by: numbers of rows of the training table."""

    train: NDArray[np.int64]
    held_out: NDArray[np.int64]


def leave_slides_out(
    labels: NDArray, slides: NDArray, most: int | None = None, seed: int = 0
) -> list[Fold]:
    """Leave-one-slide-out, one slide of every class at a time.

    With k slides per class there are k folds; each trains on k - 1 slides of every class. Holding out one
    slide of all of them would leave its class behind by one, and would take as many folds as there are
    slides for the same k votes per class. A class with fewer slides than another takes part in the folds
    that its slides fill.

    Args:
        labels: (N,) class of each training patch.
        slides: (N,) slide of each training patch.
        most: Folds to make at the most: slides are then held out several at a time, each still once. None
            for one slide of a class at a time.
        seed: Of the order in which slides are held out.

    Raises:
        DataError: A class with one slide, of which nothing would be left to train on; a slide with patches
            of two classes, which could not be held out whole.
    """
    labels, slides = np.asarray(labels), np.asarray(slides)
    held = np.full(len(labels), -1)
    for name in np.unique(slides):
        if len(np.unique(labels[slides == name])) > 1:
            raise DataError(f'slide {name} has patches of two classes; a slide belongs to one')
    counts = {}
    for label in np.unique(labels):
        names = np.unique(slides[labels == label])
        counts[int(label)] = len(names)
        if len(names) < 2:
            raise DataError(
                f'class {int(label)} has one training slide, {names[0]}: leaving it out would leave '
                'nothing to train on. With k = 1 take the preset, or declare validation slides'
            )
    folds = max(counts.values()) if most is None else min(max(2, most), max(counts.values()))
    for label in counts:
        names = np.unique(slides[labels == label])
        order = generator(seed, 'folds', label).permutation(len(names))
        # no fold may hold out all slides of a class
        for place, name in enumerate(names[order]):
            held[(labels == label) & (slides == name)] = place % folds
    return [
        Fold(np.flatnonzero(held != number), np.flatnonzero(held == number))
        for number in range(folds)
    ]
