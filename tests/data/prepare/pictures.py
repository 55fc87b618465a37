"""Pictures with coarse and fine structure, as tissue has."""

from __future__ import annotations

import numpy as np
from PIL import Image


def tissue(seed: int, size: int = 96) -> Image.Image:
    """Blobs of two stains on a light ground, with grain."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    depth = np.zeros((size, size))
    for cx, cy, width in rng.random((14, 3)):
        depth += np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (0.002 + 0.02 * width))
    pixels = 235 - np.minimum(depth, 1.5)[..., None] * np.array([60, 110, 40])
    pixels += rng.normal(0, 6, pixels.shape)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
