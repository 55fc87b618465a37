"""Reinhard et al., 'Color transfer between images', IEEE Computer Graphics and Applications 2001."""

from __future__ import annotations

from typing import Any

import numpy as np

from cite.images.stain.base import METHODS, Numbers, StainMethod, checked
from cite.images.stain.density import (
    Pixels,
    Values,
    optical_density,
    tissue_pixels,
)

_LMS = np.array(
    [[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]], np.float32
)
_OPPONENT = np.diag(1 / np.sqrt([3, 6, 2])) @ np.array([[1, 1, 1], [1, 1, -2], [1, -1, 0]])
_OPPONENT = _OPPONENT.astype(np.float32)
_TO_RGB = np.linalg.inv(_LMS)
_LN10 = np.float32(np.log(10))  # NumPy is far quicker with natural logarithms

LEAST_SPREAD = 1e-3
"""A standard deviation below this is that of one colour; scaling it up would show noise only."""


@METHODS.register
class Reinhard(StainMethod):
    """Mean and standard deviation of each channel of lαβ, brought to the reference's.

    lαβ is the paper's space, a rotation of logarithms of cone responses. Its first axis is close to an
    optical density, the axes are nearly independent in natural pictures, and it needs no white point,
    as CIELAB would. Statistics are those of tissue; glass stays as it is.

    Args:
        mean: Of l, α, β.
        std: Standard deviation of l, α, β.
    """

    def __init__(self, mean: Any, std: Any) -> None:
        self.mean = checked('mean', mean, (3,), positive=False)
        self.std = checked('std', std, (3,), positive=True)

    @staticmethod
    def estimate(pixels: Pixels) -> Numbers | None:
        tissue = tissue_pixels(pixels)
        if tissue is None:
            return None
        colours = _to_lab(optical_density(tissue))
        mean, std = colours.mean(axis=0, dtype=np.float64), colours.std(axis=0, dtype=np.float64)
        return None if (std < LEAST_SPREAD).any() else {'mean': mean, 'std': std}

    def apply(self, density: Values, found: Numbers) -> Values:
        scale = (self.std / found['std']).astype(np.float32)
        colours = (_to_lab(density) - found['mean'].astype(np.float32)) * scale + self.mean
        return _from_lab(colours)


def _to_lab(density: Values) -> Values:
    """(…, 3) densities to l, α, β: logarithms of cone responses to the light, turned."""
    colours: Values = np.log(np.exp(-density) @ _LMS.T) @ (_OPPONENT.T / _LN10)
    return colours


def _from_lab(colours: Values) -> Values:
    # the matrix is orthogonal; the light is kept between black and ten times white
    light = np.exp(np.clip(colours @ (_OPPONENT * _LN10), -10, 5)) @ _TO_RGB.T
    density: Values = -np.log(np.clip(light, 1 / 256, 10))
    return density
