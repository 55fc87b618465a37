"""Pictures reduced by averages over areas, at fractions of pixels.

Pillow's box filter takes a pixel as a whole or not at all, so at a ratio of 2.7 some of its pixels are
means of two and some of three: a pattern of its own over fine structure. Here a pixel counts by the part of
it that lies inside.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from cite.slides.readers.base import Pixels

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in pixels; corners of pixels are whole numbers."""


def area_average(pixels: Pixels, box: Box, size: tuple[int, int]) -> Pixels:
    """The part of a picture in `box` as `size` pixels, each the mean of the area that it covers.

    Args:
        pixels: (h, w, 3).
        box: Inside the picture, not empty.
        size: Width and height of the result.
    """
    left, top, right, bottom = box
    down = _turned(_averaged(_flat(pixels), top, bottom, size[1]), pixels.shape[1])
    both = _turned(_averaged(down, left, right, size[0]), size[1])
    whole = np.floor(both + np.float32(0.5))
    return np.ascontiguousarray(whole.reshape(size[1], size[0], 3).astype(np.uint8))


def _flat(pixels: Pixels) -> NDArray[np.float32]:
    return pixels.reshape(len(pixels), -1).astype(np.float32)


def _turned(rows: NDArray[np.float32], across: int) -> NDArray[np.float32]:
    """(n, across x 3) → (across, n x 3)."""
    return rows.reshape(len(rows), across, 3).transpose(1, 0, 2).reshape(across, -1)


def _averaged(rows: NDArray[np.float32], first: float, last: float, count: int) -> NDArray:
    """(h, c) → (count, c): means of rows over `count` equal parts of first…last. As a sparse product, which
    is as fast as Pillow."""
    indices, weights = shares(len(rows), np.linspace(first, last, count + 1))
    starts = np.arange(count + 1) * indices.shape[1]
    matrix = sparse.csr_array((weights.ravel(), indices.ravel(), starts), shape=(count, len(rows)))
    return matrix @ rows


def shares(length: int, edges: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray]:
    """Which of `length` pixels lie between neighbouring edges, and with which weights (sums of 1)."""
    low, high = edges[:-1, None], edges[1:, None]
    first = np.floor(low).astype(np.int64)
    widest = int((np.ceil(high) - first).max())
    indices = first + np.arange(max(widest, 1))
    weights = np.clip(np.minimum(high, indices + 1) - np.maximum(low, indices), 0, None)
    weights[indices >= length] = 0
    weights /= weights.sum(1, keepdims=True)
    return indices.clip(0, length - 1), weights.astype(np.float32)
