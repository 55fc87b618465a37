"""Macenko et al., 'A method for normalizing histology slides for quantitative analysis', ISBI 2009."""

from __future__ import annotations

from typing import Any

import numpy as np

from cite.errors import ConfigError
from cite.images.stain.base import METHODS, Numbers, StainMethod, checked
from cite.images.stain.density import (
    Pixels,
    Values,
    optical_density,
    tissue_pixels,
)

PERCENTILES = (1, 99)
"""Of the angles in the plane of the dyes: the two purest dyes, robustly."""
MOST = 99
"""Percentile of a dye's amounts that stands for its maximum."""
LEAST_ANGLE = 5.0
"""Degrees between the dyes; below that, a picture shows one dye (patches of tissue have 12 and more)."""
MOST_SCALE = 2.0
"""A dye's amount is at most doubled or halved: a patch with much less of it than the reference has
other tissue rather than another staining, and its noise would be blown up."""
LEAST_AMOUNT = 0.05
"""Maximum of a dye, as a density; below that, a picture hardly has it."""


@METHODS.register
class Macenko(StainMethod):
    """Two dyes found in each picture, exchanged for the reference's and scaled to its maxima.

    White is grey level 255; tissue is what `density.TISSUE` says (β). The plane of the dyes comes from
    the singular vectors of the densities, without centring: it goes through white.
    As in the paper, what lies outside that plane is given up, so that a picture brought to its own
    reference comes back to a few grey levels.

    Args:
        stains: 2 x 3, densities of haematoxylin and eosin in red, green, blue; scaled to length 1.
        maxima: 2, the 99th percentile of the amount of each.
    """

    def __init__(self, stains: Any, maxima: Any) -> None:
        self.stains = checked('stains', stains, (2, 3), positive=False)
        self.maxima = checked('maxima', maxima, (2,), positive=True)
        length = np.linalg.norm(self.stains, axis=1, keepdims=True)
        self.stains = self.stains / np.maximum(length, 1e-6)
        if length.min() <= 1e-6 or _angle(self.stains) < LEAST_ANGLE:
            raise ConfigError(
                f'stain reference: the two stains must be {LEAST_ANGLE:g} degrees apart or more, '
                f'found {np.round(self.stains, 3).tolist()}'
            )

    @staticmethod
    def estimate(pixels: Pixels) -> Numbers | None:
        tissue = tissue_pixels(pixels)
        if tissue is None:
            return None
        density = optical_density(tissue)
        stains = _dyes(density)
        if _angle(stains) < LEAST_ANGLE:
            return None
        maxima = np.percentile(density @ np.linalg.pinv(stains), MOST, axis=0)
        return None if (maxima < LEAST_AMOUNT).any() else {'stains': stains, 'maxima': maxima}

    def apply(self, density: Values, found: Numbers) -> Values:
        scale = np.clip(self.maxima / found['maxima'], 1 / MOST_SCALE, MOST_SCALE)[:, None]
        exchange = np.linalg.pinv(found['stains']) @ (scale * self.stains)
        exchanged: Values = density @ exchange.astype(np.float32)
        return exchanged


def _dyes(density: Values) -> Values:
    """2 x 3 vectors of length 1 of (N, 3) densities; that with more red absorbed, haematoxylin, first."""
    moments = density.T.astype(np.float64) @ density
    plane = np.linalg.eigh(moments)[1][:, [2, 1]]
    # densities are positive, so the first axis is as well, once it has the right sign
    plane *= np.sign(plane[:, 0].sum() or 1)
    along, across = (density @ plane.astype(np.float32)).T
    low, high = np.percentile(np.arctan2(across, along), PERCENTILES)
    dyes: Values = np.array([plane @ [np.cos(angle), np.sin(angle)] for angle in (low, high)])
    return dyes[np.argsort(-dyes[:, 0], kind='stable')]


def _angle(stains: Values) -> float:
    return float(np.degrees(np.arccos(np.clip(stains[0] @ stains[1], -1, 1))))
