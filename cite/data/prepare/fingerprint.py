"""A picture's fingerprint, which turning it by 90 degrees and mirroring it do not change.

The picture is reduced to 16 × 16 area means. Sums are whole numbers with bins that mirror each other
at any size, so the grid of a turned picture is exactly the turned grid. The digest is taken of the
least of its eight symmetries: two pictures have one digest if their pixels are the same up to symmetry.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GRID = 16
_BLOCK = 512  # rows of pixels at a time


class Fingerprint(NamedTuple):
    """What is kept of a picture.

    Attributes:
        digest: 16 bytes; the same for the same pixels in any of the eight symmetries.
        grid: area means, uint8, 16 × 16 × 3, in the picture's own orientation.
        spread: standard deviation of its pixels around the mean colour, 0 to 128.
    """

    digest: bytes
    grid: NDArray[np.uint8]
    spread: float


def fingerprint(pixels: NDArray[np.uint8]) -> Fingerprint:
    """Fingerprint of a picture in RGB, H × W × 3."""
    height, width = pixels.shape[:2]
    # Every product and sum is a whole number far below 2**53: exact, and so the same in any order.
    rows, square = np.zeros((GRID, width * 3)), 0.0
    for start in range(0, height, _BLOCK):  # as float64 a large picture would take gigabytes
        values = pixels[start : start + _BLOCK].reshape(-1, width * 3).astype(np.float64)
        rows += _overlaps(height)[:, start : start + _BLOCK] @ values
        square += float(np.vdot(values, values))
    sums = np.matmul(
        _overlaps(width), rows.reshape(GRID, width, 3)
    )  # GRID × GRID × 3, GRID² times the sums of area
    whole = sums.astype('<i8')
    least = min(np.ascontiguousarray(turned).tobytes() for turned in symmetries(whole))
    size = f'{min(height, width)}x{max(height, width)}:'.encode()
    mean = sums.sum(axis=(0, 1)) / (GRID * GRID * height * width)
    return Fingerprint(
        digest=hashlib.blake2b(size + least, digest_size=16).digest(),
        grid=np.rint(sums / (height * width)).astype(np.uint8),
        spread=float(np.sqrt(max(0.0, square / pixels.size - np.mean(mean**2)))),
    )


def symmetries(grid: NDArray) -> Iterator[NDArray]:
    """The eight symmetries of the square, of an array N × N × ...; the first is the grid itself."""
    for picture in (grid, grid.swapaxes(0, 1)):
        yield from (picture, picture[::-1], picture[:, ::-1], picture[::-1, ::-1])


@lru_cache(maxsize=64)
def _overlaps(length: int) -> NDArray[np.float64]:
    """How much of each bin each pixel covers, GRID × length, in units of 1 / GRID of a pixel."""
    bins = np.arange(GRID + 1)[:, None] * length
    pixels = np.arange(length + 1)[None] * GRID
    shared = np.minimum(bins[1:], pixels[:, 1:]) - np.maximum(bins[:-1], pixels[:, :-1])
    return np.clip(shared, 0, None).astype(np.float64)
