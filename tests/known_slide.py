"""A slide whose tiles have known classes by place, and a classifier that goes by colour alone."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import tifffile
import torch

from cite.images import ResizePatch
from cite.serving import Predictor

CLASSES = ('pale', 'violet', 'purple: $x$ <b>')
COLOURS = np.array([(236, 170, 200), (176, 128, 206), (140, 76, 150)])
SIDE = 64
GLASS = -1


def pattern(rows: int = 8, columns: int = 12, seed: int = 0) -> np.ndarray:
    """(rows, columns) classes, nowhere symmetric; the upper right corner and the left edge are glass."""
    classes = np.random.default_rng(seed).integers(0, 3, (rows, columns))
    classes[:4, -4:] = GLASS
    classes[5:, :3] = GLASS
    return classes


def write_slide(
    path: Path, classes: np.ndarray, side: int = SIDE, mpp: float | None = 0.5, margin: int = 20
) -> Path:
    """Tissue of one colour with grain per square; a margin that is no whole tile at the right and below."""
    rng = np.random.default_rng(1)
    page = np.kron(np.where(classes < 0, 0, classes), np.ones((side, side), int))
    pixels = COLOURS[page] + rng.normal(0, 12, (*page.shape, 1))
    glass = np.kron(classes < 0, np.ones((side, side), bool))
    pixels[glass] = 245
    pixels = np.pad(pixels, ((0, margin), (0, margin), (0, 0)), constant_values=245)
    resolution = {} if mpp is None else {'resolution': (1e4 / mpp, 1e4 / mpp), 'resolutionunit': 3}
    tifffile.imwrite(
        path,
        pixels.clip(0, 255).astype(np.uint8),
        tile=(256, 256),
        photometric='rgb',
        compression='zlib',
        **resolution,
    )
    return path


class ByColour(Predictor):
    """Says of a patch which of three colours it has, with nine tenths."""

    def __init__(self, size: int = 32) -> None:
        mean = torch.zeros(3)
        card = SimpleNamespace(name='by-colour')
        self.backbone = SimpleNamespace(mean=mean, card=card, digest='0' * 64, image_size=size)
        self.classifier = self
        self.info = SimpleNamespace(
            preprocessing={'mpp': 0.5, 'patch_size': SIDE}, precision='fp32'
        )
        self.classes = CLASSES
        self.resize, self.stain = ResizePatch(size), None
        self.seen = 0

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        self.seen += len(batch)
        means = batch.float().mean((2, 3))
        nearest = torch.cdist(means, torch.tensor(COLOURS).float()).argmin(1)
        shares = torch.full((len(batch), 3), 0.05)
        shares[torch.arange(len(batch)), nearest] = 0.9
        return shares.log()
