"""Tiles painted into pictures: what was said where, at any resolution."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cite.slides.result import SlideResult
    from cite.slides.tiling import Grid


def paint(
    grid: Grid,
    tiles: NDArray[np.int64],
    values: NDArray[np.floating],
    pixel: tuple[float, float],
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    """Values of tiles as a picture that begins in the upper left corner of the slide.

    A pixel has the mean of the tiles that its centre lies in, so overlapping tiles are averaged. Sums over
    the corners of tiles make it as quick for any number of them.

    Args:
        tiles: (N,) numbers of tiles in the grid.
        values: (N, C).
        pixel: Its width and height, in pixels of level 0.
        shape: (h, w) of the picture.

    Returns:
        (h, w, C) float32, NaN where no tile is.
    """
    height, width = shape
    left, right = _edges(grid.x[tiles], grid.side[0], pixel[0], width)
    top, bottom = _edges(grid.y[tiles], grid.side[1], pixel[1], height)
    # the last plane counts tiles
    planes = np.concatenate([np.asarray(values, np.float64), np.ones((len(tiles), 1))], 1)
    sums = np.zeros((height + 1, width + 1, planes.shape[1]))
    for rows, columns, sign in (
        (top, left, 1),
        (top, right, -1),
        (bottom, left, -1),
        (bottom, right, 1),
    ):
        np.add.at(sums, (rows, columns), sign * planes)
    sums = sums.cumsum(0).cumsum(1)[:height, :width]
    counts = np.round(sums[..., -1:])
    with np.errstate(invalid='ignore', divide='ignore'):
        means = np.where(counts > 0, sums[..., :-1] / counts, np.nan)
    return means.astype(np.float32)


def _edges(
    start: NDArray[np.int64], side: float, pixel: float, most: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first pixel whose centre lies in each tile, and the first after it."""
    first = np.ceil(start / pixel - 0.5).astype(np.int64)
    after = np.ceil((start + side) / pixel - 0.5).astype(np.int64)
    return np.clip(first, 0, most), np.clip(after, 0, most)


def tile_map(result: SlideResult) -> NDArray[np.float32]:
    """(h, w, C) probabilities of the slide, a pixel per step of the grid; NaN where no tile was predicted.
    The last row and column may reach over the slide."""
    steps = result.steps
    shape = (
        max(1, math.ceil(result.size[1] / steps[1] - 1e-6)),
        max(1, math.ceil(result.size[0] / steps[0] - 1e-6)),
    )
    return np.clip(paint(result.grid, result.rows, result.scores, steps, shape), 0, 1)


def mask_of(
    result: SlideResult, tiles: NDArray[np.int64], shape: tuple[int, int]
) -> NDArray[np.bool_]:
    """(h, w) bool: where some tiles are, on a picture of the whole slide."""
    pixel = result.size[0] / shape[1], result.size[1] / shape[0]
    return np.isfinite(paint(result.grid, tiles, np.ones((len(tiles), 1)), pixel, shape)[..., 0])
