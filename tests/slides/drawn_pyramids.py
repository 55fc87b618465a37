"""Slides whose every pixel is known: lossless pyramids, and readers that hold arrays."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image
from scipy import ndimage

from cite.slides.readers.base import Level, Pixels, SlideReader


def texture(width: int, height: int, seed: int = 0, smooth: float = 2.0) -> Pixels:
    """Coloured clouds, of which no two places look alike."""
    noise = np.random.default_rng(seed).random((height, width, 3))
    clouds = ndimage.gaussian_filter(noise, (smooth, smooth, 0))
    clouds -= clouds.min()
    return np.ascontiguousarray((clouds / clouds.max() * 255).astype(np.uint8))


def shrunk(picture: Pixels, factor: float) -> Pixels:
    """A level of a pyramid: means over squares; whole factors exactly."""
    if factor == int(factor):
        return np.asarray(Image.fromarray(picture).reduce(int(factor)))
    size = (round(picture.shape[1] / factor), round(picture.shape[0] / factor))
    return average(picture, (0, 0, picture.shape[1], picture.shape[0]), size).round().astype('u1')


def average(picture: Pixels, box: Sequence[float], size: tuple[int, int]) -> np.ndarray:
    """The reference: mean of the area under each pixel of the result, as two dense float64 matrices."""
    left, top, right, bottom = box
    rows = _coverage(picture.shape[0], top, bottom, size[1])
    columns = _coverage(picture.shape[1], left, right, size[0])
    return np.einsum('ih,hwc,jw->ijc', rows, picture.astype(float), columns, optimize=True)


def _coverage(length: int, first: float, last: float, count: int) -> np.ndarray:
    step = (last - first) / count
    matrix = np.zeros((count, length))
    for row in range(count):
        low, high = first + row * step, first + (row + 1) * step
        for pixel in range(max(int(low), 0), min(int(np.ceil(high)), length)):
            matrix[row, pixel] = max(0.0, min(high, pixel + 1) - max(low, pixel))
    return matrix / matrix.sum(1, keepdims=True)


def write_levels(
    path: Path,
    picture: Pixels,
    downsamples: Sequence[float] = (1,),
    mpp: tuple[float, float] | None = (0.5, 0.5),
    tile: int = 256,
    **options: Any,
) -> list[Pixels]:
    """A tiled pyramid as scanners write it, without loss unless `options` say so; returns its levels."""
    levels = [shrunk(picture, by) if by != 1 else picture for by in downsamples]
    with tifffile.TiffWriter(path) as file:
        for number, (level, by) in enumerate(zip(levels, downsamples, strict=True)):
            resolution: dict[str, Any] = {}
            if mpp is not None:
                resolution['resolution'] = tuple(10000 / (size * by) for size in mpp)
                resolution['resolutionunit'] = 'CENTIMETER'
            file.write(
                level,
                tile=(tile, tile),
                photometric='rgb',
                subfiletype=int(number > 0),
                metadata=None,
                **{'compression': 'zlib', **resolution, **options},
            )
    return levels


def write_ome(
    path: Path, picture: Pixels, downsamples: Sequence[int] = (1, 2, 4), **physical: Any
) -> list[Pixels]:
    """OME-TIFF: levels in SubIFDs of the first page, sizes of pixels in its XML."""
    levels = [shrunk(picture, by) if by != 1 else picture for by in downsamples]
    options: dict[str, Any] = {'tile': (256, 256), 'photometric': 'rgb', 'compression': 'zlib'}
    with tifffile.TiffWriter(path, ome=True) as file:
        metadata = {'axes': 'YXS', **physical}
        file.write(levels[0], subifds=len(levels) - 1, metadata=metadata, **options)
        for level in levels[1:]:
            file.write(level, subfiletype=1, **options)
    return levels


class ArraySlide(SlideReader):
    """A slide of arrays in memory, one per level."""

    def __init__(
        self, levels: Sequence[Pixels], downsamples: Sequence[float], mpp: Any = (0.5, 0.5)
    ) -> None:
        self.path, self.vendor, self.mpp, self.properties = Path('array.svs'), 'array', mpp, {}
        self.pictures = levels
        self.levels = tuple(
            Level(picture.shape[1], picture.shape[0], float(by))
            for picture, by in zip(levels, downsamples, strict=True)
        )

    def _read(self, x: float, y: float, level: int, width: int, height: int) -> Pixels:
        left, top = self.place(x, y, level)
        page = np.full((height, width, 3), 255, np.uint8)
        picture = self.pictures[level]
        u0, v0 = max(left, 0), max(top, 0)
        part = picture[v0 : max(top + height, 0), u0 : max(left + width, 0)]
        page[v0 - top : v0 - top + part.shape[0], u0 - left : u0 - left + part.shape[1]] = part
        return page

    def close(self) -> None:
        pass
