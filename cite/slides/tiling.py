"""Tiles of a slide: squares of one size in micrometres on a grid, where there is tissue."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError, DataError
from cite.slides.readers.base import PLAUSIBLE, SlideReader
from cite.slides.tissue import Mask, Tissue

MADE_UP = 1.05
"""Tiles may be enlarged by so much without a word: scanners' resolutions are never round."""
ROUNDING = 1e-6
"""Of a part of tissue: a tile that is all tissue has 0.9999999999 of it."""


@dataclass(frozen=True)
class TileSpec:
    """Which tiles are cut.

    Attributes:
        size: Side in pixels.
        mpp: Micrometres per pixel.
        overlap: Pixels that neighbours share.
        tissue: Least part of a tile that is tissue, 0…1; 0 takes all that have any.
    """

    size: int
    mpp: float
    overlap: int = 0
    tissue: float = 0.5

    def __post_init__(self) -> None:
        if self.size < 1 or not 0 <= self.overlap < self.size:
            raise ConfigError(
                f'tiles need a size of at least 1 pixel and an overlap below it, found {self.size} and '
                f'{self.overlap}'
            )
        if not (np.isfinite(self.mpp) and self.mpp > 0) or not 0 <= self.tissue <= 1:
            raise ConfigError(
                f'tiles need an mpp above 0 and a part of tissue from 0 to 1, found {self.mpp} and '
                f'{self.tissue}'
            )


@dataclass(frozen=True, eq=False)
class Grid:
    """Tiles of a slide.

    Attributes:
        spec: What they are.
        x, y: (N,) int64, upper left corners in pixels of level 0, row by row.
        side: Width and height of a tile in pixels of level 0.
        tissue: (N,) float32, the part that is tissue.
        level: That they are read from.
        region: Width and height of what is read there, in its pixels.
    """

    spec: TileSpec
    x: NDArray[np.int64]
    y: NDArray[np.int64]
    side: tuple[float, float]
    tissue: NDArray[np.float32]
    level: int
    region: tuple[int, int]

    def __len__(self) -> int:
        return len(self.x)


def settle_mpp(
    slide: SlideReader, given: float | None, override: bool = False
) -> tuple[float, float]:
    """Micrometres per pixel of level 0: what the file says, else what was given.

    Args:
        given: Of slides whose file does not say it.
        override: Whether it counts for a slide whose file says another one, too.

    Raises:
        DataError: Neither says it: nothing is guessed.
        ConfigError: A value that no microscope has.
    """
    if given is not None:
        if not PLAUSIBLE[0] <= given <= PLAUSIBLE[1]:
            raise ConfigError(
                f'mpp of a slide must be {PLAUSIBLE[0]} to {PLAUSIBLE[1]} µm per pixel, found {given}'
            )
        if slide.mpp is None or override:
            return given, given
    if slide.mpp is None:
        raise DataError(
            f'slide {slide.path.name} does not say its resolution (mpp). Give it: --slide-mpp 0.25 for a '
            'scan at 40x, 0.5 at 20x, as the scanner was set; a wrong one shows the model another '
            'magnification than in training'
        )
    return slide.mpp


def make_grid(slide: SlideReader, spec: TileSpec, tissue: Tissue, mpp: tuple[float, float]) -> Grid:
    """The tiles of the slide that have enough tissue.

    The grid begins in the upper left corner of the slide, and tiles that would reach over its right or
    lower edge are left out, so it depends on nothing but sizes.

    Args:
        mpp: Of level 0, see `settle_mpp`.

    Raises:
        ConfigError: An overlap that leaves less than a pixel of the slide from tile to tile.
    """
    side = spec.size * spec.mpp / mpp[0], spec.size * spec.mpp / mpp[1]
    columns, rows = starts(slide.size, side, spec)
    share = _shares(tissue.mask, tissue.downsample, columns, rows, side)
    down, across = np.nonzero(share >= max(spec.tissue - ROUNDING, ROUNDING))
    level = slide.level_for(spec.mpp / max(mpp))
    of = slide.levels[level].downsample
    region = max(1, round(side[0] / of)), max(1, round(side[1] / of))
    return Grid(
        spec,
        columns[across],
        rows[down],
        side,
        share[down, across].astype(np.float32),
        level,
        region,
    )


def enlarged(spec: TileSpec, mpp: tuple[float, float]) -> float:
    """By how much tiles must be enlarged, because the slide was scanned coarser; 1 where it was not."""
    by = max(mpp) / spec.mpp
    return by if by > MADE_UP else 1.0


def starts(
    size: tuple[int, int], side: tuple[float, float], spec: TileSpec
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Left edges of all columns and upper edges of all rows of a grid, in pixels of level 0.

    Args:
        size: Of level 0, (width, height).
        side: Of a tile there.
    """
    part = (spec.size - spec.overlap) / spec.size
    return _starts(size[0], side[0], side[0] * part), _starts(size[1], side[1], side[1] * part)


def _starts(length: int, side: float, step: float) -> NDArray[np.int64]:
    """Rounded places at which tiles begin; the last one ends within the slide, half a pixel aside."""
    if step < 1:
        raise DataError(  # of this slide: another one may be scanned finer
            f'tiles would follow each other by {step:.2g} pixels of the slide: take less overlap'
        )
    count = int(np.floor((length - side + 0.5) / step)) + 1 if length >= side - 0.5 else 0
    return np.round(np.arange(count) * step).astype(np.int64)


def _shares(
    mask: Mask,
    downsample: tuple[float, float],
    columns: NDArray[np.int64],
    rows: NDArray[np.int64],
    side: tuple[float, float],
) -> NDArray[np.float64]:
    """(rows, columns): part of each tile that is tissue. Pixels of the mask count by the part of them that
    lies inside, so small tiles are not all or nothing. Row by row: sums of a whole mask would be large."""
    height, width = mask.shape
    share = np.zeros((len(rows), len(columns)))
    edges = np.arange(width + 1)
    left = columns / downsample[0]
    right = left + side[0] / downsample[0]
    for number, start in enumerate(rows):
        top = start / downsample[1]
        bottom = top + side[1] / downsample[1]
        first, last = int(top), min(int(np.ceil(bottom)), height)
        inside = np.arange(first, last)
        weights = np.minimum(bottom, inside + 1) - np.maximum(top, inside)
        sums = np.concatenate([[0.0], (weights @ mask[first:last]).cumsum()])
        share[number] = np.interp(right, edges, sums) - np.interp(left, edges, sums)
    area = side[0] / downsample[0] * side[1] / downsample[1]
    return np.clip(share / area, 0.0, 1.0)
