"""A picture of a whole slide at a low resolution, put together from blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cite.images.read_ahead import in_order, settle_workers
from cite.slides.area import area_average
from cite.slides.readers.base import Pixels, RegionError, SlideReader

Mask = NDArray[np.bool_]
LONGEST = 4096
"""Pixels of the longer side, at most."""
LEAST = 1024
"""Pixels of the longer side, at least, where the slide has as many."""
MICROMETRES = 8.0
"""Per pixel, where the slide says its resolution."""
BLOCK = 1024
"""Pixels along a side that are read at once: memory does not grow with the slide."""
PIECE, PIECES = 256, 64
"""A damaged block is searched in pieces of so many pixels, but in no more along the slide."""


@dataclass(frozen=True)
class _Part:
    """Columns left…right and rows top…bottom of the picture."""

    left: int
    top: int
    right: int
    bottom: int

    def halves(self) -> Iterator[_Part]:
        """Up to four."""
        across = (self.left + self.right) // 2
        down = (self.top + self.bottom) // 2
        for top, bottom in ((self.top, down), (down, self.bottom)):
            for left, right in ((self.left, across), (across, self.right)):
                if right > left and bottom > top:
                    yield _Part(left, top, right, bottom)


def look(
    slide: SlideReader,
    mpp: tuple[float, float] | None,
    workers: int | None = None,
    progress: bool = False,
) -> tuple[Pixels, Mask]:
    """A picture of the slide, and where it could not be read at any level: there it is white.

    Args:
        mpp: Micrometres per pixel of level 0, where known.
        workers: Threads; they change nothing in the result.
        progress: Show a bar where it takes longer than two seconds, as for large slides of one level.
    """
    from tqdm import tqdm

    size, level = _settle(slide, mpp)
    picture = np.full((size[1], size[0], 3), 255, np.uint8)
    unread = np.zeros((size[1], size[0]), bool)
    of = slide.levels[level]
    step = max(1, int(BLOCK * size[0] / of.width))
    blocks = [
        _Part(left, top, min(left + step, size[0]), min(top + step, size[1]))
        for top in range(0, size[1], step)
        for left in range(0, size[0], step)
    ]

    def fill(part: _Part) -> None:
        _fill(slide, level, part, picture, unread)

    threads = settle_workers(workers)
    ahead = in_order(fill, blocks, threads, lambda: 2 * max(threads, 1))
    title = f'{slide.path.name}, overview'
    with (
        closing(ahead),
        tqdm(total=len(blocks), desc=title, unit='block', delay=2, disable=not progress) as bar,
    ):
        for done in ahead:
            done()
            bar.update()
    return picture, unread


def _settle(slide: SlideReader, mpp: tuple[float, float] | None) -> tuple[tuple[int, int], int]:
    """Size of the picture, and the level that it comes from."""
    width, height = slide.size
    want = max(width, height) / LONGEST
    if mpp is not None:
        want = max(want, MICROMETRES / max(mpp))
    want = max(1.0, min(want, max(width, height) / LEAST))
    return (max(1, round(width / want)), max(1, round(height / want))), slide.level_for(want)


def _fill(slide: SlideReader, level: int, part: _Part, picture: Pixels, unread: Mask) -> None:
    """Reads a part of the picture. Where it is damaged, smaller parts and finer levels are tried."""
    of = slide.levels[level]
    across, down = of.width / picture.shape[1], of.height / picture.shape[0]
    left, right = part.left * across, part.right * across
    top, bottom = part.top * down, part.bottom * down
    longest = max(right - left, bottom - top)
    splits = part.right - part.left > 1 or part.bottom - part.top > 1
    if longest <= 2 * BLOCK or not splits:
        u, v = int(left), int(top)
        w = max(1, min(int(np.ceil(right - 1e-6)), of.width) - u)
        h = max(1, min(int(np.ceil(bottom - 1e-6)), of.height) - v)
        try:
            pixels = slide.read(u * of.downsample, v * of.downsample, level, w, h)
        except RegionError:
            if longest <= max(PIECE, max(of.width, of.height) / PIECES) or not splits:
                if level:
                    _fill(slide, level - 1, part, picture, unread)
                else:
                    unread[part.top : part.bottom, part.left : part.right] = True
                return
        else:
            if pixels.min() == 255:  # not scanned, as most of some slides
                return
            box = left - u, top - v, min(right - u, w), min(bottom - v, h)
            shape = part.right - part.left, part.bottom - part.top
            picture[part.top : part.bottom, part.left : part.right] = area_average(
                pixels, box, shape
            )
            return
    for piece in part.halves():
        _fill(slide, level, piece, picture, unread)
