"""Colours of probabilities and of classes, for readers with any colour vision."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cite.experiments.picture import BLUE, GREEN, ORANGE, PURPLE, VERMILION

MAP = 'viridis'
"""Even to the eye, and the same to readers with any colour vision (Smith & van der Walt 2015)."""
FEW = (ORANGE, BLUE, GREEN, PURPLE, VERMILION, '#56B4E9', '#F0E442')
"""Okabe and Ito."""


def heat(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(…) probabilities → (…, 4) RGBA of `MAP`; clear where NaN."""
    import matplotlib

    colours: NDArray[np.uint8] = matplotlib.colormaps[MAP](np.nan_to_num(values), bytes=True)
    colours[~np.isfinite(values), 3] = 0
    return colours


def class_colours(count: int) -> list[tuple[int, int, int]]:
    """A colour per class, in their order. Beyond seven they are apart for most readers only."""
    import matplotlib
    from matplotlib.colors import to_rgb

    colours: list[Any] = [to_rgb(colour) for colour in FEW]
    if count > len(FEW):
        colours = list(matplotlib.colormaps['tab20'](range(min(count, 20))))
    if count > 20:
        colours = list(matplotlib.colormaps['turbo'](np.linspace(0, 1, count)))
    rgb = [tuple(round(255 * part) for part in colour[:3]) for colour in colours[:count]]
    return [(red, green, blue) for red, green, blue in rgb]
