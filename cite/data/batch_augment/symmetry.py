"""The eight symmetries of the square, on batches: pixels move, none changes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cite.data.batch_augment.tiles import one_thread

_OF_CODE = (
    ((), False),
    ((-1,), True),
    ((-2, -1), False),
    ((-2,), True),
    ((-1,), False),
    ((), True),
    ((-2,), False),
    ((-2, -1), True),
)
"""Per code, quarter turns + 4 where mirrored first: axes to flip, and whether to transpose then."""


def code_of(
    mirror: NDArray[np.bool_], upend: NDArray[np.bool_], quarters: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Codes of: left and right exchanged, then top and bottom, then quarter turns to the left.

    To upend is to mirror and to turn by two quarters.
    """
    return 4 * (mirror ^ upend) + (quarters + 2 * upend) % 4


@dataclass(frozen=True)
class Symmetry:
    """A symmetry per patch: `codes` (B,), see `code_of`."""

    codes: NDArray[np.int64]

    def __call__(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) → likewise. Patches of one symmetry are changed together."""
        order = np.argsort(self.codes, kind='stable')
        ends = np.cumsum(np.bincount(self.codes, minlength=len(_OF_CODE)))[:-1].tolist()
        if images.device.type == 'cpu':
            with one_thread():
                return self._changed(images, order, ends)
        return self._changed(images, order, ends)

    def _changed(self, images: Tensor, order: NDArray[np.int64], ends: list[int]) -> Tensor:
        groups = images.index_select(0, torch.from_numpy(order).to(images.device))
        turned = [
            _turned(group, *_OF_CODE[code])
            for code, group in enumerate(groups.tensor_split(ends))
            if len(group)
        ]
        back = torch.from_numpy(np.argsort(order)).to(images.device)
        return torch.cat(turned).index_select(0, back)


def _turned(group: Tensor, axes: tuple[int, ...], transpose: bool) -> Tensor:
    flipped = group.flip(axes) if axes else group
    return flipped.transpose(-2, -1).contiguous() if transpose else flipped


class SymmetryDraw:
    """Draws a symmetry per patch, as `AugmentPatch` does.

    Args:
        flip: Mirror, each way with probability one half.
        rotate90: Turn by a random multiple of 90 degrees.
    """

    columns = 3

    def __init__(self, flip: bool = True, rotate90: bool = True) -> None:
        self.flip, self.rotate90 = flip, rotate90

    def __call__(self, draws: NDArray[np.float64]) -> Symmetry:
        mirror, upend = (self.flip & (draws[:, column] < 0.5) for column in (0, 1))
        quarters = (self.rotate90 * 4 * draws[:, 2]).astype(np.int64)
        return Symmetry(code_of(mirror, upend, quarters))
