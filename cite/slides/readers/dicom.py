"""DICOM slides (a folder of instances, or one file) through wsidicom, where OpenSlide opens none."""

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
from cite.slides.readers.pieces import on_page


class DicomReader(SlideReader):
    """A slide of DICOM's VL Whole Slide Microscopy.

    Raises:
        DataError: No such slide, or it is damaged.
        ConfigError: wsidicom is not installed.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()  # instances share one file handle
        try:
            self._slide = _library().WsiDicom.open(str(path))
            found = sorted(
                self._slide.pyramids[0], key=lambda level: level.size.width, reverse=True
            )
            base = found[0].size
            self.mpp = plausible_mpp(found[0].mpp.width, found[0].mpp.height)
        except ConfigError:
            raise
        except Exception as error:  # wsidicom and pydicom raise many kinds
            told = ' '.join(str(error).split())[:200] or type(error).__name__
            raise DataError(f'{path}: cannot be read as a DICOM slide ({told})') from error
        self._numbers = [level.level for level in found]
        self.levels = tuple(
            Level(
                level.size.width,
                level.size.height,
                settle_downsample(
                    (base.width, base.height),
                    (level.size.width, level.size.height),
                    base.width / level.size.width,
                ),
            )
            for level in found
        )
        self.vendor = 'dicom'
        self.properties = {}

    def _read(self, x: float, y: float, level: int, width: int, height: int) -> Pixels:
        of = self.levels[level]

        def inside(u: int, v: int, w: int, h: int) -> Pixels:
            try:
                with self._lock:
                    region = self._slide.read_region((u, v), self._numbers[level], (w, h))
            except Exception as error:
                raise RegionError(
                    f'{self.path}: the region of {w} x {h} pixels at ({u}, {v}) of level {level} is '
                    f'damaged ({" ".join(str(error).split())[:200]})'
                ) from error
            return np.asarray(region.convert('RGB'))

        left, top = self.place(x, y, level)
        return on_page(left, top, width, height, (of.width, of.height), inside)

    def close(self) -> None:
        self._slide.close()


def _library() -> Any:
    try:
        import wsidicom
    except ImportError as error:
        raise ConfigError(
            "this DICOM slide needs wsidicom: pip install 'cite-pathology[slides]'"
        ) from error
    return wsidicom
