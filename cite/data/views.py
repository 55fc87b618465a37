"""The views of a patch: itself, and V - 1 augmentations of it that stay the same throughout training.

With fresh augmentation in every step nothing that is computed from a patch can be kept; with V fixed views
all of it can, and training still sees V versions of each patch. View 0 is the patch without augmentation,
so V = 1 is none. An augmentation is a function of the seed, the number of the view and the file's bytes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cite.data.randomness import uniforms
from cite.errors import ConfigError

HOW_VIEWED, WHICH_VIEW = 103, 104
"""Purposes, second in the key after the seed; the dataset's own are 101 and 102."""


class View(NamedTuple):
    """A view of a row of a table; 0 is the patch as it is."""

    row: int
    number: int


def views_of_draws(seed: int, draws: ArrayLike, views: int) -> NDArray[np.int64]:
    """The views that these draws of training show, each as often as another.

    A function of (seed, draw) alone.
    """
    drawn = uniforms(draws, 1, seed, WHICH_VIEW)[:, 0]
    return (drawn * views).astype(np.int64)


def check_views(views: int | None) -> None:
    """Refuses what is no number of views.

    Raises:
        ConfigError: Neither None nor a whole number of at least 1.
    """
    if views is not None and (isinstance(views, bool) or not isinstance(views, int) or views < 1):
        raise ConfigError(
            'views must be None (every draw is augmented afresh) or a whole number from 1, found '
            f'{views!r}'
        )
