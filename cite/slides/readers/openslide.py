"""Slides through OpenSlide: Aperio, Hamamatsu, Leica, MIRAX, Philips, Ventana, Trestle, Sakura, DICOM, and
tiled pyramidal TIFF."""

from __future__ import annotations

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

WHITE = 255


class OpenSlideReader(SlideReader):
    """A slide that OpenSlide opens.

    OpenSlide stops working on a handle after its first error, for all threads. So a region is only called
    damaged where a handle of its own fails as well, and the common one is replaced: one damaged tile costs
    one tile.

    Raises:
        DataError: It is no slide for OpenSlide, or it is damaged.
        ConfigError: OpenSlide is not installed.
    """

    def __init__(self, path: Path) -> None:
        self._library = _library()
        self.path = path
        self._check_name()
        self._slide = self._open()
        said = self._slide.properties
        self.vendor = str(said.get('openslide.vendor', 'unknown'))
        sizes, self._downs = self._slide.level_dimensions, self._slide.level_downsamples
        self.levels = tuple(
            Level(size[0], size[1], settle_downsample(sizes[0], size, float(down)))
            for size, down in zip(sizes, self._downs, strict=True)
        )
        self.mpp = plausible_mpp(
            _number(said.get('openslide.mpp-x')), _number(said.get('openslide.mpp-y'))
        )
        self.properties = {str(key): str(value)[:500] for key, value in said.items()}

    def _read(self, x: float, y: float, level: int, width: int, height: int) -> Pixels:
        # OpenSlide divides by what it takes for the downsampling
        u, v = self.place(x, y, level)
        at = round(u * self._downs[level]), round(v * self._downs[level])
        slide = self._slide
        try:
            return on_white(np.asarray(slide.read_region(at, level, (width, height))))
        except self._library.OpenSlideError:
            pass
        try:
            if self._slide is slide:
                self._slide = self._open()  # the old handle goes when its last thread lets go
            with self._open() as own:
                return on_white(np.asarray(own.read_region(at, level, (width, height))))
        except (self._library.OpenSlideError, DataError) as error:
            raise RegionError(
                f'{self.path}: the region of {width} x {height} pixels at ({x:.0f}, {y:.0f}) of level '
                f'{level} is damaged ({error})'
            ) from error

    def close(self) -> None:
        self._slide.close()

    def _check_name(self) -> None:
        """OpenSlide knows VMS and VMU by what is in them, whatever they are called, and opens the files
        that they name. Whoever judges a file by its name must be able to rely on it."""
        if self.path.suffix.lower() in ('.vms', '.vmu') or not self.path.is_file():
            return
        with self.path.open('rb') as file:
            tiff = file.read(2) in (b'II', b'MM')
        if not tiff and self._library.OpenSlide.detect_format(str(self.path)) == 'hamamatsu':
            raise DataError(
                f'{self.path}: this is a Hamamatsu file that names others (.vms, .vmu) by another name; '
                'give it its own suffix'
            )

    def _open(self) -> Any:
        try:
            return self._library.OpenSlide(str(self.path))
        except self._library.OpenSlideError as error:
            raise DataError(f'{self.path}: OpenSlide cannot open it ({error})') from error


def on_white(rgba: np.ndarray) -> Pixels:
    """RGBA as OpenSlide gives it (not premultiplied) → RGB over white."""
    alpha = rgba[..., 3:]
    if alpha.min() == WHITE:
        return np.ascontiguousarray(rgba[..., :3])
    share = alpha.astype(np.uint16)
    mixed = rgba[..., :3].astype(np.uint16) * share + WHITE * (WHITE - share)
    return ((mixed + WHITE // 2) // WHITE).astype(np.uint8)


def _number(text: Any) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None


def _library() -> Any:
    try:
        import openslide
    except (ImportError, OSError) as error:  # the package is there, the library is not
        raise ConfigError(
            "whole slides need OpenSlide: pip install 'cite-pathology[slides]' (openslide-python and "
            f'openslide-bin; {error})'
        ) from error
    return openslide
