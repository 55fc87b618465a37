"""A heat map as a pyramidal TIFF that lies on the slide, for OpenSlide, QuPath and others."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.slides.outputs.colours import MAP, heat

TILE = 256


def write_map(
    path: Path,
    values: NDArray[np.float32],
    micrometres: float,
    steps: tuple[float, float],
    about: dict[str, Any],
) -> None:
    """Writes RGB without loss, white where nothing was predicted.

    The upper left corners of map and slide are one point, and a pixel of the map is `steps` pixels of the
    slide's level 0. Levels are averages of probabilities, not of colours; resolution tags give the size of
    a pixel.

    Args:
        values: (h, w) probabilities, NaN where there is none.
        micrometres: Width and height of a pixel.
        steps: The same in pixels of level 0, (x, y).
        about: More for the description, which is JSON: plain values.

    Raises:
        ConfigError: tifffile is not installed.
    """
    tifffile = _library()
    description = {
        **about,
        'colours': f'{MAP}, 0 to 1; white: not predicted',
        'slide_pixels_per_pixel': list(steps),
        'origin': [0, 0],
        'micrometres_per_pixel': micrometres,
    }
    with tifffile.TiffWriter(path) as file:
        reduced = 0
        while True:
            file.write(
                _on_white(values),
                tile=(TILE, TILE),
                photometric='rgb',
                compression='zlib',
                subfiletype=int(reduced > 0),
                resolution=(10000 / micrometres / 2**reduced,) * 2,
                resolutionunit='CENTIMETER',
                description=json.dumps(description) if not reduced else None,
                software='cite' if not reduced else False,
                metadata=None,
            )
            if max(values.shape) <= TILE:
                return
            values = _halved(values)
            reduced += 1


def _on_white(values: NDArray[np.float32]) -> NDArray[np.uint8]:
    colours = heat(values)
    colours[colours[..., 3] == 0] = 255
    return np.ascontiguousarray(colours[..., :3])


def _halved(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over 2 × 2 pixels, of those that have a value."""
    padded = np.pad(values, [(0, side % 2) for side in values.shape], constant_values=np.nan)
    fours = padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore', RuntimeWarning)  # four pixels without a value
        return np.asarray(np.nanmean(fours, axis=(1, 3)), np.float32)


def _library() -> Any:
    try:
        import tifffile
    except ImportError as error:
        raise ConfigError(
            f"heat maps as TIFF need tifffile: pip install 'cite-pathology[slides]' ({error})"
        ) from error
    return tifffile
