"""Synthetic tissue, the same in several stainings."""

from __future__ import annotations

import dataclasses
from functools import cache
from typing import Any

import numpy as np
from PIL import Image

from cite.data.synthetic.attributes import Grade
from cite.data.synthetic.tissue import Slide, open_slide
from cite.images.stain.density import TISSUE, optical_density


@cache
def slide(number: int) -> Slide:
    return open_slide(0, Grade.WELL, number)


@cache
def tissue(number: int = 0, stain_of: int | None = None, patch: int = 0, size: int = 96) -> Any:
    """Patch of slide `number` in the stain of slide `stain_of`: size x size x 3, read only."""
    stain = slide(number if stain_of is None else stain_of).stain
    pixels = dataclasses.replace(slide(number), stain=stain).patch(patch, size)
    pixels.setflags(write=False)
    return pixels


def picture(*where: int, **options: int) -> Image.Image:
    return Image.fromarray(tissue(*where, **options))


def mean_density(pixels: Any) -> np.ndarray:
    """Mean optical density of the tissue."""
    density = optical_density(np.asarray(pixels)).reshape(-1, 3)
    return density[density.mean(axis=1) >= TISSUE].mean(axis=0)


def difference(first: Any, second: Any) -> float:
    """Mean absolute difference in grey levels."""
    return float(np.abs(np.asarray(first, float) - np.asarray(second, float)).mean())
