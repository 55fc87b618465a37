"""Where the tiles or strips of a level of a TIFF lie in its file, and which are empty or cut off."""

from __future__ import annotations

from typing import Any

import numpy as np

from cite.slides.readers.base import Pixels


class Segments:
    """Tiles or strips of a page.

    Args:
        page: Of tifffile.
        bytes_there: Length of the file.

    Attributes:
        width, height: Pixels of a segment.
    """

    def __init__(self, page: Any, bytes_there: int) -> None:
        self.height, self.width = (int(length) for length in page.chunks[:2])
        shape = tuple(int(count) for count in page.chunked[:2])
        offsets = np.asarray(page.dataoffsets, np.int64)
        counts = np.asarray(page.databytecounts, np.int64)
        known = len(offsets) == len(counts) == shape[0] * shape[1]
        none = np.zeros(shape, bool)
        self._empty = (counts == 0).reshape(shape) if known else none
        self._cut = (offsets + counts > bytes_there).reshape(shape) if known else none

    @property
    def pixels(self) -> int:
        """Of a segment: what is decoded for the smallest region."""
        return self.width * self.height

    def cut_off(self, left: int, top: int, width: int, height: int) -> bool:
        """Whether the file ends in front of a part of this region. Decoders fill such a part with grey."""
        return bool(self._cut[self._touched(left, top, width, height)].any())

    def whiten(self, pixels: Pixels, left: int, top: int) -> Pixels:
        """Segments without bytes were not scanned: white, where decoders give black."""
        height, width = pixels.shape[:2]
        touched = self._touched(left, top, width, height)
        if not self._empty[touched].any():
            return pixels
        pixels = pixels.copy()
        for row, column in np.argwhere(self._empty[touched]):
            y = (row + touched[0].start) * self.height - top
            x = (column + touched[1].start) * self.width - left
            pixels[max(y, 0) : y + self.height, max(x, 0) : x + self.width] = 255
        return pixels

    def _touched(self, left: int, top: int, width: int, height: int) -> tuple[slice, slice]:
        return (
            slice(top // self.height, (top + height - 1) // self.height + 1),
            slice(left // self.width, (left + width - 1) // self.width + 1),
        )
