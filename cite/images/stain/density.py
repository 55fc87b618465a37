"""Grey levels and optical densities, after the law of Beer and Lambert.

Densities are natural logarithms: 0 is white, dyes add up. Grey level v has the density
-ln((v + 1) / 256), so that black is finite and white is exactly 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

if TYPE_CHECKING:
    from torch import Tensor

Pixels = NDArray[np.uint8]
Values = NDArray[np.float32]

GLASS, TISSUE = 0.15, 0.21
"""Mean densities over the channels: glass up to the first, tissue from the second on. 0.15 is Macenko's
threshold β, 0.21 the same under a light of grey level 240, as glass often has it. They are held against
the mean and not against each channel, because eosin hardly absorbs red."""
LEAST_PIXELS, LEAST_SHARE = 200, 0.05
"""A picture with less tissue (pixels; share of the picture) shows too little to estimate from."""

MOST_PIXELS = 20_000
"""Enough for percentiles; of a larger picture, every n-th pixel is taken."""

_MEAN = np.full(3, 1 / 3, np.float32)  # a product is far quicker than .mean over three values
_DENSITY: Values = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)


def optical_density(pixels: Pixels) -> Values:
    """(…, 3) grey levels to (…, 3) densities, 0 to 5.5."""
    density: Values = _DENSITY[pixels]
    return density


def from_density(density: Values) -> Pixels:
    """The inverse of `optical_density`; what is brighter than white becomes white."""
    return np.clip(np.rint(256 * np.exp(-density) - 1), 0, 255).astype(np.uint8)


def tissue_weight(density: Values) -> Values:
    """(…, 1): 0 on glass, 1 on tissue, a ramp between, so that no border shows."""
    weight: Values = np.clip((density @ _MEAN - GLASS) / (TISSUE - GLASS), 0, 1)[..., None]
    return weight


def tissue_pixels(pixels: Pixels) -> Pixels | None:
    """(N, 3) pixels of tissue, a part of many, of H x W x 3; None where there is too little of it."""
    flat = pixels.reshape(-1, 3)
    tissue = flat[optical_density(flat) @ _MEAN >= TISSUE]
    least = max(LEAST_PIXELS, LEAST_SHARE * len(flat))
    return tissue[:: max(1, len(tissue) // MOST_PIXELS)] if len(tissue) >= least else None


def pixels_of(picture: Image.Image | Tensor) -> Pixels:
    """H x W x 3 of an RGB image or a uint8 tensor 3 x H x W."""
    if isinstance(picture, Image.Image):
        return np.asarray(picture if picture.mode == 'RGB' else picture.convert('RGB'))
    from cite.images.resize import to_uint8_tensor

    return to_uint8_tensor(picture).permute(1, 2, 0).numpy()


def like(picture: Image.Image | Tensor, pixels: Pixels) -> Image.Image | Tensor:
    """H x W x 3 pixels as the kind of picture that they came from."""
    if isinstance(picture, Image.Image):
        return Image.fromarray(pixels)
    import torch

    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))
