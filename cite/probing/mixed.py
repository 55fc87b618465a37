"""Slides with patches of several classes, such as tumour and normal tissue: labels are of patches there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cite.data.randomness import generator
from cite.data.table import PatchTable
from cite.errors import ConfigError, DataError

_PURPOSE = 222  # second in the key after the seed; the draw of slides of one class has another


def mixed_slides(slides: Sequence[str] | np.ndarray, labels: np.ndarray) -> list[str]:
    """Sorted slides that hold patches of more than one class.

    Args:
        slides, labels: (N,) of patches.
    """
    names, groups = np.unique(np.asarray(slides), return_inverse=True)
    pairs = np.unique(np.stack([groups, labels]), axis=1)
    return names[np.bincount(pairs[0], minlength=len(names)) > 1].tolist()


def set_aside(table: PatchTable, share: float, seed: int) -> np.ndarray:
    """(N,) bool: patches of about a share of the slides (patients, where known) that hold each class.

    Classes of few slides are served first; a slide goes where the first of its classes puts it, whole.

    Raises:
        DataError: All slides of a class are on one side.
        ConfigError: A share that is not between 0 and 1.
    """
    if not 0 < share < 1:
        raise ConfigError(f'the share of slides must lie between 0 and 1, found {share}')
    units = table.slides if table.patients is None else table.patients
    of_class = [np.unique(units[table.labels == label]) for label in range(len(table.classes))]
    side: dict[str, bool] = {}  # slide or patient → set aside?
    for label in sorted(range(len(of_class)), key=lambda label: len(of_class[label])):
        order = generator(seed, _PURPOSE, table.classes[label]).permutation(of_class[label])
        target = min(max(1, int(share * len(order) + 0.5)), len(order) - 1)
        missing = target - sum(side.get(unit, False) for unit in order)
        for unit in order:
            if unit not in side:
                side[unit] = missing > 0
                missing -= 1
    aside = np.array([side[unit] for unit in units], bool)
    for label, name in enumerate(table.classes):
        own = aside[table.labels == label]
        if own.all() or not own.any():
            kind = 'slides' if table.patients is None else 'patients'
            raise DataError(
                f'{table.source}: class {name!r} is on {len(of_class[label])} {kind}, and none of them is '
                'left for one of training and validation. Take another --seed, or give a --validation set'
            )
    return aside
