"""Random amounts of the dyes, on batches: what `StainJitter` does to single pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cite.data.batch_augment.tiles import by_tiles, put
from cite.data.stain_jitter import _DYES as DYES
from cite.images.stain.density import GLASS, TISSUE


@dataclass(frozen=True)
class StainChange:
    """Per patch a matrix (B, 3, 3) on its densities and a shift (B, 3) of those of tissue."""

    matrix: NDArray[np.float32]
    shift: NDArray[np.float32]

    def __call__(self, images: Tensor) -> Tensor:
        """uint8 (B, 3, S, S) → likewise."""
        matrices = torch.from_numpy(self.matrix).to(images.device).transpose(1, 2)
        shifts = torch.from_numpy(self.shift).to(images.device)[..., None]

        def change(of: slice, pixels: Tensor, into: Tensor) -> None:
            density = pixels.float().add_(1).div_(256).log_().neg_()
            weight = density.mean(1, keepdim=True).sub_(GLASS).div_(TISSUE - GLASS).clamp_(0, 1)
            mixed = weight * shifts[of]
            for channel, own in enumerate(density.split(1, 1)):
                mixed.addcmul_(matrices[of, :, channel, None], own)
            put(mixed.neg_().exp_().mul_(256).sub_(1).round_(), into)

        return by_tiles(images, change)


class StainDraw:
    """Draws scales and shifts of haematoxylin, eosin and the rest per patch.

    Args:
        sigma: As in `StainJitter`.
    """

    columns = 6

    def __init__(self, sigma: float = 0.05) -> None:
        self.sigma = sigma

    def __call__(self, draws: NDArray[np.float64]) -> StainChange:
        scale, shift = np.split(self.sigma * (2 * draws - 1), 2, axis=1)
        matrix = np.linalg.inv(DYES) @ ((1 + scale)[:, :, None] * DYES)
        return StainChange(matrix.astype(np.float32), (shift @ DYES).astype(np.float32))
