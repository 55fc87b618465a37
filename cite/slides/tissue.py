"""Where a slide has tissue: Otsu's threshold on saturation, pen marks taken out, cleaned up.

Glass is grey, stained tissue is not: saturation tells them apart whatever the brightness of the lamp. On a
slide that is all tissue Otsu's threshold would cut the tissue in two, and on one that is all glass it would
find noise, so it is held between two bounds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from cite.errors import ConfigError
from cite.slides.overview import Mask, look
from cite.slides.readers.base import Pixels, SlideReader

BOUNDS = (15, 45)
"""Of the threshold on saturation (0 to 255). Glass has up to 12, pale eosin from some 25 on."""
DARK = 40
"""Brightness (0 to 255) below which there is no tissue, but a cover slip's edge, a hair, black ink."""
SMALLEST, HOLE = 0.01, 0.01
"""Pieces and holes below so many square millimetres are dropped and filled."""


@dataclass(frozen=True)
class Tissue:
    """Where there is tissue.

    Attributes:
        mask: (h, w) bool, of the whole slide at a lower resolution.
        downsample: Pixels of level 0 per pixel of the mask, (x, y).
        threshold: On saturation, 0 to 255, as it was used.
        pen: (h, w) bool: what was taken for ink.
    """

    mask: Mask
    downsample: tuple[float, float]
    threshold: float
    pen: Mask

    @property
    def share(self) -> float:
        """Part of the slide that is tissue."""
        return float(self.mask.mean())


def overview(slide: SlideReader, mpp: tuple[float, float] | None) -> Pixels:
    """A picture of the whole slide, for finding tissue and for drawing on; `look` also says where the slide
    could not be read.

    Args:
        mpp: Micrometres per pixel of level 0, where known.
    """
    return look(slide, mpp)[0]


def find_tissue(
    picture: Pixels,
    size: tuple[int, int],
    mpp: tuple[float, float] | None,
    threshold: float | None = None,
    reject_pen: bool = True,
    unread: Mask | None = None,
) -> Tissue:
    """The tissue of a picture of a slide.

    Args:
        picture: See `overview`.
        size: Of level 0, (width, height).
        mpp: Of level 0; without it pieces and holes are judged in pixels of the picture.
        threshold: On saturation, in place of Otsu's.
        reject_pen: Takes ink out.
        unread: (h, w) bool, where the slide could not be looked at, see `look`. It counts as tissue: so its
            tiles are tried, and are counted as damaged where they are.

    Raises:
        ConfigError: A threshold outside 0…255.
    """
    if threshold is not None and not 0 <= threshold <= 255:
        raise ConfigError(f'the threshold on saturation must be 0 to 255, found {threshold}')
    height, width = picture.shape[:2]
    down = size[0] / width, size[1] / height
    colours = np.asarray(Image.fromarray(picture).convert('HSV'))
    saturation = ndimage.median_filter(colours[..., 1], 3)
    value = colours[..., 2]
    level = min(max(otsu(saturation), BOUNDS[0]), BOUNDS[1]) if threshold is None else threshold
    mask = (saturation > level) & (value > DARK)
    pen = ink(colours) if reject_pen else np.zeros_like(mask)
    mask &= ~pen
    area = (down[0] * down[1] * mpp[0] * mpp[1] / 1e6) if mpp else 1 / 16000  # mm² per pixel
    mask = ndimage.binary_opening(mask, np.ones((2, 2)))
    mask = ndimage.binary_closing(mask, np.ones((3, 3)), border_value=0) | mask
    mask = _without_small(mask, SMALLEST / area)
    mask = ~_without_small(~mask, HOLE / area)
    mask &= ~pen
    if unread is not None:
        mask |= unread
    return Tissue(mask, down, float(level), pen)


def otsu(values: NDArray[np.uint8]) -> float:
    """The threshold that parts 8-bit values best (Otsu 1979): where the variance between both sides is
    largest. Values above it are the upper side."""
    counts = np.bincount(values.ravel(), minlength=256).astype(np.float64)
    below = counts.cumsum()
    above = below[-1] - below
    sums = (counts * np.arange(256)).cumsum()
    with np.errstate(divide='ignore', invalid='ignore'):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(np.nanargmax(np.where(np.isfinite(between), between, -1.0)))


def ink(colours: Any) -> Mask:
    """What is drawn by a pen: blue, green, red or black ink, a little widened.

    Ink is purer than stain. Its hues: green has none among stains; blue lies on the far side of
    haematoxylin, red of eosin, and both are only taken where they are purer than stains get; black has no
    colour at all and is a stroke, not a nucleus.

    Args:
        colours: (h, w, 3) HSV, each 0 to 255, as Pillow gives it.
    """
    hue, saturation, value = (colours[..., axis].astype(np.int16) for axis in range(3))
    green = (hue > 55) & (hue < 125) & (saturation > 50) & (value > 30)
    blue = (hue >= 125) & (hue < 168) & (saturation > 140)
    red = ((hue < 10) | (hue > 247)) & (saturation > 170) & (value > 90)
    black = (value < 70) & (saturation < 90)
    found = np.zeros(hue.shape, bool)
    for colour in (green, blue, red, black):
        # a stroke is some pixels wide; single pixels are dirt or noise
        found |= ndimage.binary_opening(colour, np.ones((3, 3)))
    return ndimage.binary_dilation(found, np.ones((3, 3)), iterations=2) if found.any() else found


def _without_small(mask: Mask, least: float) -> Mask:
    """A mask without its pieces of less than `least` pixels."""
    pieces, count = ndimage.label(mask)
    if not count:
        return mask
    sizes = np.bincount(pieces.ravel())
    keep = sizes >= least
    keep[0] = False
    return keep[pieces]
