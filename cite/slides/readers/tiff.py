"""OME-TIFF and other pyramidal TIFF, through tiffslide (tifffile): OpenSlide sees but their first level."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np

from cite.errors import ConfigError, DataError
from cite.slides.readers.base import (
    Level,
    Pixels,
    RegionError,
    SlideReader,
    plausible_mpp,
    settle_downsample,
)
from cite.slides.readers.ome import ome_mpp
from cite.slides.readers.pieces import on_page
from cite.slides.readers.segments import Segments

ONE_FILE = {'_multifile': False, 'is_mmstack': False, 'is_ndtiff': False}
"""For tifffile, which else reads what OME-XML, an index, or names alike point to, wherever it lies."""
LARGE_SEGMENT = 2**21
"""Pixels of a strip or tile, all of which are decoded for a tile of ours. Scanners write up to 1024²."""
HELD = 2**25
"""Pixels of a level of large segments that is held in memory, 100 MB, and not decoded again and again."""


class TiffReader(SlideReader):
    """A TIFF of 8-bit RGB, with its levels as pages or as sub-pages.

    Where an image is stored in one piece, or in large ones, it is held in memory if it is small, and
    refused if it is not.

    Raises:
        DataError: It is no TIFF, not RGB, or damaged.
        ConfigError: tiffslide is not installed.
    """

    def __init__(self, path: Path) -> None:
        library = _library()
        self.path = path
        try:
            self._slide = library.TiffSlide(str(path), tifffile_options=dict(ONE_FILE))
            _check_own(self._slide.ts_tifffile)
            said = dict(self._slide.properties)
            sizes, downs = self._slide.level_dimensions, self._slide.level_downsamples
            first = self._slide.read_region((0, 0), len(sizes) - 1, (1, 1), as_array=True)
        except Exception as error:  # tifffile raises many kinds on damaged files
            raise DataError(f'{path}: cannot be read as a TIFF ({_told(error)})') from error
        if first.ndim != 3 or first.shape[-1] not in (3, 4) or first.dtype != np.uint8:
            raise DataError(
                f'{path}: expected 8-bit RGB, found {first.dtype} of {first.shape[-1]} channels; '
                'fluorescence and 16-bit images are no H&E slides'
            )
        series = self._slide.ts_tifffile.series[int(said.get('tiffslide.series-index') or 0)]
        there = path.stat().st_size
        self._segments = [Segments(level.pages[0], there) for level in series.levels]
        for (width, height), of in zip(sizes, self._segments, strict=True):
            if of.pixels > LARGE_SEGMENT and width * height > HELD:
                raise DataError(
                    f'{path}: {width} x {height} pixels are stored in pieces of {of.width} x {of.height}, '
                    'each of which would be decoded for every tile. Write it as a tiled pyramid: vips '
                    f'tiffsave {path.name} tiled.tif --tile --pyramid --bigtiff --compression jpeg --Q 90'
                )
        self._held: dict[int, Pixels] = {}
        self._lock = threading.Lock()
        self.vendor = str(said.get('tiffslide.vendor') or 'tiff')
        self.levels = tuple(
            Level(size[0], size[1], settle_downsample(sizes[0], size, float(down)))
            for size, down in zip(sizes, downs, strict=True)
        )
        own = said.get('tiffslide.mpp-x'), said.get('tiffslide.mpp-y')
        self.mpp = plausible_mpp(*own) or ome_mpp(said.get('tiff.ImageDescription'))
        self.properties = {
            key: str(value)[:500] for key, value in said.items() if value is not None
        }

    def _read(self, x: float, y: float, level: int, width: int, height: int) -> Pixels:
        of = self.levels[level]
        left, top = self.place(x, y, level)

        def inside(u: int, v: int, w: int, h: int) -> Pixels:
            if self._segments[level].pixels <= LARGE_SEGMENT:
                return self._decoded(u, v, level, w, h)
            with self._lock:
                if level not in self._held:
                    self._held[level] = self._decoded(0, 0, level, of.width, of.height)
            return self._held[level][v : v + h, u : u + w]

        return on_page(left, top, width, height, (of.width, of.height), inside)

    def _decoded(self, u: int, v: int, level: int, w: int, h: int) -> Pixels:
        """A region inside a level."""
        segments = self._segments[level]
        try:
            if segments.cut_off(u, v, w, h):
                raise ValueError('the file ends in front of it')
            # tiffslide takes level 0 and rounds down: half a pixel keeps it on the one meant
            down = self._slide.level_downsamples[level]
            place = (int((u + 0.5) * down), int((v + 0.5) * down)) if level else (u, v)
            region = self._slide.read_region(place, level, (w, h), as_array=True)
        except Exception as error:  # tifffile and its codecs raise many kinds
            raise RegionError(
                f'{self.path}: the region of {w} x {h} pixels at ({u}, {v}) of level {level} is '
                f'damaged ({_told(error)})'
            ) from error
        return segments.whiten(np.ascontiguousarray(region[..., :3]), u, v)

    def close(self) -> None:
        self._held.clear()
        self._slide.close()


def _told(error: Exception) -> str:
    return ' '.join(str(error).split())[:200] or type(error).__name__


def _check_own(file: Any) -> None:
    """That no page lies in another file, should tifffile find a further way to one."""
    for series in file.series:
        for level in series.levels:
            if any(page is not None and page.parent is not file for page in level.pages):
                raise ValueError('its pixels lie in other files')


def check_rgb(path: Path) -> None:
    """Looks at what a TIFF holds, before a library makes RGB of it without a word.

    Raises:
        DataError: Its first image is not 8-bit RGB.
    """
    try:
        import tifffile

        with tifffile.TiffFile(path) as file:
            page: Any = file.pages[0]
            bits, channels = page.bitspersample, page.samplesperpixel
            kind = getattr(page.photometric, 'name', str(page.photometric))
    except Exception:  # no TIFF, or a damaged one: the readers say what is wrong
        return
    deep = {bits} if isinstance(bits, int) else set(bits)
    if channels < 3 or deep != {8}:
        raise DataError(
            f'slide {path}: expected 8-bit RGB, found {channels} channel{"s" * (channels > 1)} of '
            f'{max(deep)} bits ({kind.lower()}); greyscale, fluorescence and 16-bit images are no H&E'
        )


def _library() -> Any:
    try:
        import tiffslide
    except ImportError as error:
        raise ConfigError(
            "TIFF slides need tiffslide: pip install 'cite-pathology[slides]'"
        ) from error
    return tiffslide
