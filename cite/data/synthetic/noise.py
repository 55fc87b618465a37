"""Smooth random fields: the raw material of fibres, cytoplasm and organic outlines."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

Field = npt.NDArray[np.float32]  # what every drawing function here takes and gives


def smooth_noise(rng: np.random.Generator, size: int, scale: float) -> Field:
    """(size, size) noise, mean 0 and deviation about 1, that changes over `scale` pixels."""
    cells = max(int(np.ceil(size / scale)) + 3, 4)
    coarse = rng.standard_normal((cells, cells)).astype(np.float32)
    # a window of the coarse grid, so that the grid's lines do not sit at the patch's border
    left, top = rng.random(2)
    box = (left + 1, top + 1, left + 1 + size / scale, top + 1 + size / scale)
    fine = Image.fromarray(coarse).resize((size, size), Image.Resampling.BICUBIC, box=box)
    return np.asarray(fine) * np.float32(1.4)  # interpolation takes some of the deviation away


def crops(rng: np.random.Generator, field: Field, count: int, side: int) -> Field:
    """(count, side, side) windows of a field at random places: cheap noise for many stamps."""
    windows = np.lib.stride_tricks.sliding_window_view(field, (side, side))
    rows = rng.integers(0, windows.shape[0], count)
    columns = rng.integers(0, windows.shape[1], count)
    return windows[rows, columns]


def smoothstep(field: Field, low: float, high: float) -> Field:
    """0 below `low`, 1 above `high`, a soft edge between: an anti-aliased threshold."""
    ramp = np.clip((field - np.float32(low)) / np.float32(high - low), 0, 1)
    return ramp * ramp * (3 - 2 * ramp)
