"""Reads the tiles of a grid, at the resolution that was asked for."""

from __future__ import annotations

import numpy as np
from PIL import Image

from cite.slides.area import area_average
from cite.slides.readers.base import Pixels, SlideReader
from cite.slides.tiling import Grid

ROUNDED = 20 * (1 / 12 + (0.299**2 + 0.587**2 + 0.114**2) / 12)
"""Variance of the Laplacian of rounding alone: of three colours, and of the grey value made of them. On a
blurred tile of little contrast there is nothing else."""
AS_IT_IS = 0.01
"""A level that is off by no more than this part is not resampled: it would only be blurred."""
NUDGE = 1e-6
"""Of a pixel: what is left over by rounding is no pixel more."""


def read_tile(slide: SlideReader, grid: Grid, number: int) -> Image.Image:
    """One tile, `spec.size` pixels wide and high.

    The level that is read is the coarsest that is fine enough. Its pixels are averaged over the area of
    each pixel of the tile, fractions included (bicubic where the slide was scanned coarser than asked for).
    A level of the right resolution, within a hundredth, is taken as it is, about the centre of the tile.

    Raises:
        RegionError: This part of the slide is damaged.
    """
    size = grid.spec.size
    of = slide.levels[grid.level]
    left, top = int(grid.x[number]) / of.downsample, int(grid.y[number]) / of.downsample
    width, height = grid.side[0] / of.downsample, grid.side[1] / of.downsample
    if abs(width / size - 1) <= AS_IT_IS and abs(height / size - 1) <= AS_IT_IS:
        u = _inside(left + (width - size) / 2, size, of.width)
        v = _inside(top + (height - size) / 2, size, of.height)
        return Image.fromarray(
            slide.read(u * of.downsample, v * of.downsample, grid.level, size, size)
        )
    right, bottom = min(left + width, of.width), min(top + height, of.height)
    u, v = int(np.floor(left + NUDGE)), int(np.floor(top + NUDGE))
    w, h = int(np.ceil(right - NUDGE)) - u, int(np.ceil(bottom - NUDGE)) - v
    pixels = slide.read(u * of.downsample, v * of.downsample, grid.level, w, h)
    box = max(left - u, 0.0), max(top - v, 0.0), min(right - u, w), min(bottom - v, h)
    if min(width, height) < size:
        return Image.fromarray(pixels).resize((size, size), Image.Resampling.BICUBIC, box)
    return Image.fromarray(area_average(pixels, box, (size, size)))


def _inside(start: float, size: int, length: int) -> int:
    """Where to read `size` pixels from, not over the end of the level where they fit into it."""
    return min(max(round(start), 0), max(length - size, 0))


def sharpness(tile: Image.Image, enlarged: float = 1.0) -> float:
    """How sharp a tile is: the variance of the Laplacian of its grey values (Pech-Pacheco et al., ICPR
    2000), less what rounding adds, by that of the grey values themselves, so that a pale tile is not taken
    for a blurred one. 0 where it is all of one grey.

    Args:
        enlarged: By how much the tile was enlarged, see `cite.slides.tiling.enlarged`: it is judged at the
            size that it was scanned in.
    """
    if enlarged > 1:
        width, height = (max(3, round(side / enlarged)) for side in tile.size)
        tile = tile.resize((width, height), Image.Resampling.BICUBIC)
    grey: Pixels = np.asarray(tile.convert('L'))
    values = grey.astype(np.float32)
    inner = values[1:-1, 1:-1]
    if inner.size == 0:
        return 0.0
    laplacian = (
        values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:] - 4 * inner
    )
    spread = float(values.var())
    return max(0.0, float(laplacian.var()) - ROUNDED) / spread if spread > 1.0 else 0.0
