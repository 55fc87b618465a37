"""A map in colour on its patch.

The patch is grey under the map, since the pinks and violets of H&E would mix with any colours. Colour maps
are even in perception: viridis, and 'coolwarm' around zero for signed maps (Moreland 2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cite.attribution.patch_map import PatchMap
from cite.errors import DataError
from cite.images import load_rgb
from cite.images.read import to_rgb

if TYPE_CHECKING:
    from cite.images.batches import ImageLike

SEQUENTIAL, DIVERGING = 'viridis', 'coolwarm'
ALPHA = 0.6
MARGIN = 0.35
"""How much of a margin that the model did not see is left; the rest is white."""


def limits(maps: Sequence[PatchMap]) -> tuple[float, float]:
    """The values at the ends of the colours, for maps that share them: symmetrical if they are signed."""
    low = min(float(m.values.min()) for m in maps)
    high = max(float(m.values.max()) for m in maps)
    if any(m.signed for m in maps):
        high = max(abs(low), abs(high))
        low = -high
    elif maps[0].unit == 'Grad-CAM':
        low = 0.0
    if high - low <= 1e-12 * max(1.0, abs(high)):  # a flat map has no colours to spread
        high = low + 1.0
    return low, high


def colours_of(map_: PatchMap) -> str:
    """Name of the colour map, as Matplotlib has it."""
    return DIVERGING if map_.signed else SEQUENTIAL


def overlay(
    image: ImageLike,
    patch_map: PatchMap,
    span: tuple[float, float] | None = None,
    alpha: float = ALPHA,
) -> Image.Image:
    """The map on the picture that was explained, at the picture's size; the legend is elsewhere.

    Margins that the model did not see are faded.

    Args:
        image: The same image as `explain` was given.
        span: Values at the ends of the colours; default: `limits` of this map.
        alpha: Share of the colour, 0…1.

    Raises:
        DataError: An image of another size, or one that cannot be read.
    """
    from matplotlib import colormaps

    picture = as_picture(image)
    if picture.size != patch_map.size:
        raise DataError(
            f'the map is of a picture of {patch_map.size[0]} × {patch_map.size[1]} pixels, found one of '
            f'{picture.width} × {picture.height}'
        )
    low, high = limits([patch_map]) if span is None else span
    part = (np.clip(_on_picture(patch_map), low, high) - low) / (high - low)
    colour = colormaps[colours_of(patch_map)](part)[..., :3] * 255
    grey = np.asarray(picture.convert('L'), np.float64)[..., None]
    inside = _seen(patch_map)[..., None]
    faded = 255 - (255 - grey) * MARGIN
    mixed = np.where(inside, (1 - alpha) * grey + alpha * colour, faded)
    return Image.fromarray(np.rint(mixed).astype(np.uint8))


def as_picture(image: ImageLike) -> Image.Image:
    """What users call an image, as RGB.

    Raises:
        DataError: A file that cannot be read.
    """
    if isinstance(image, str | Path):
        return load_rgb(image)
    if isinstance(image, Image.Image):
        return to_rgb(image, Path('image'))
    array: Any = image
    channels_last = array if isinstance(array, np.ndarray) else array.permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(np.ascontiguousarray(channels_last))


def _on_picture(patch_map: PatchMap) -> np.ndarray:
    """Values at every pixel of the picture (H, W), bilinear; outside the box, those of its edge."""
    width, height = patch_map.size
    left, top, right, bottom = patch_map.box
    side = patch_map.values.shape[0]
    x = _places(width, left, right, side)
    y = _places(height, top, bottom, side)
    return _between(_between(patch_map.values, y).T, x).T


def _places(length: int, start: float, stop: float, side: int) -> np.ndarray:
    """Pixel centres of a picture's side, in the coordinates of the map."""
    return np.clip((np.arange(length) + 0.5 - start) / (stop - start) * side - 0.5, 0, side - 1)


def _between(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    lower = np.floor(places).astype(int)
    upper = np.minimum(lower + 1, len(rows) - 1)
    weight = (places - lower)[:, None]
    return rows[lower] * (1 - weight) + rows[upper] * weight


def _seen(patch_map: PatchMap) -> np.ndarray:
    width, height = patch_map.size
    left, top, right, bottom = patch_map.box
    x, y = np.arange(width) + 0.5, np.arange(height) + 0.5
    return ((y > top) & (y < bottom))[:, None] & ((x > left) & (x < right))[None]
