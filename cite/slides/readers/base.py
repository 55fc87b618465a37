"""What a slide is to the rest: levels of pixels, their size in micrometres, regions of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from cite.errors import DataError

Pixels = NDArray[np.uint8]
"""(height, width, 3) RGB."""
PLAUSIBLE = (0.05, 20.0)
"""Micrometres per pixel that a microscope gives at level 0: from oil immersion to a macro image."""
MOST_PIXELS = 2**27
"""Of a region at once: 400 MB. A whole level of a slide is far more."""


@dataclass(frozen=True)
class Level:
    """A resolution of a slide.

    Attributes:
        width, height: In pixels of its own.
        downsample: Pixels of level 0 per pixel, at least 1.
    """

    width: int
    height: int
    downsample: float


class RegionError(DataError):
    """A region of a slide that is damaged: the rest of the slide may be whole."""


class SlideReader(ABC):
    """Base of readers. Regions may be read by several threads at once.

    Attributes:
        path: Of the slide.
        vendor: Of the scanner or the format, for records.
        levels: From the finest to the coarsest.
        mpp: Micrometres per pixel of level 0, (x, y), as the file says it; None where it does not.
        properties: What else the file says, as text; for records, never for decisions.
    """

    path: Path
    vendor: str
    levels: tuple[Level, ...]
    mpp: tuple[float, float] | None = None
    properties: dict[str, str]

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of level 0."""
        return self.levels[0].width, self.levels[0].height

    def read(self, x: float, y: float, level: int, width: int, height: int) -> Pixels:
        """A region, white where the slide ends or was not scanned.

        Args:
            x, y: Upper left corner, in pixels of level 0; may lie outside.
            level: Number of the level that is read.
            width, height: In pixels of that level.

        Raises:
            RegionError: This region is damaged.
            DataError: A region that is empty or larger than `MOST_PIXELS`.
        """
        if width < 1 or height < 1 or width * height > MOST_PIXELS:
            raise DataError(
                f'{self.path}: a region of {width} x {height} pixels was asked for; expected 1 to '
                f'{MOST_PIXELS} pixels'
            )
        return self._read(x, y, level, width, height)

    @abstractmethod
    def _read(self, x: float, y: float, level: int, width: int, height: int) -> Pixels:
        """As `read`, of a region that can be held."""

    @abstractmethod
    def close(self) -> None:
        """Lets go of the file."""

    def place(self, x: float, y: float, level: int) -> tuple[int, int]:
        """The pixel of a level that a place of level 0 is nearest to: regions begin at whole pixels of
        their level, so that no reader has to interpolate."""
        down = self.levels[level].downsample
        return round(x / down), round(y / down)

    def level_for(self, downsample: float) -> int:
        """The coarsest level that is at least as fine as asked for: pixels are only ever averaged, never
        made up. A hundredth of tolerance, since levels are rarely whole fractions."""
        fine = [n for n, level in enumerate(self.levels) if level.downsample <= downsample * 1.01]
        return max(fine, key=lambda n: self.levels[n].downsample) if fine else 0

    def __enter__(self) -> SlideReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def settle_downsample(base: tuple[int, int], size: tuple[int, int], said: float) -> float:
    """Pixels of level 0 per pixel of a level. Libraries divide sizes, but sizes are rounded: 1,300 pixels
    reduced by 16 are 82, which looks like 15.85, and far from the origin the level is off by a pixel. A
    power of two, or else a whole number, is taken where it explains both sides.

    Args:
        base, size: Width and height of level 0 and of the level.
        said: What the library says.
    """
    said = max(float(said), 1.0)
    for factor in (1 << round(float(np.log2(said))), round(said)):
        pairs = zip(base, size, strict=True)
        if all(part in (full // factor, -(-full // factor)) for full, part in pairs):
            return float(factor)
    return said


def plausible_mpp(x: float | None, y: float | None) -> tuple[float, float] | None:
    """What a file says of its resolution, where it can be meant: scanners write zeros, and 1 for unknown
    units of TIFF (72 dots per inch are 353 micrometres)."""
    if x is None or y is None:
        return None
    low, high = PLAUSIBLE
    return (float(x), float(y)) if low <= x <= high and low <= y <= high else None
