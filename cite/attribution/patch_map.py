"""A map over a patch, and where on the picture it lies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from cite.images.resize import ResizePatch

Box = tuple[float, float, float, float]


@dataclass(frozen=True, eq=False)
class PatchMap:
    """What each place of a patch has to do with a class.

    Attributes:
        grid: (R, C) float32, a value per cell of the model: a token of a transformer, a place of a
            convolutional network's last map.
        values: (S, S) float32: the grid at the size that the tower sees, bilinear.
        method: One of `METHODS`.
        class_name: Whose map it is; None for a method that knows no classes (rollout).
        signed: Whether 0 is the middle: above it speaks for the class, below it against.
        unit: Of the values: 'cosine', 'logit', 'share', ….
        size: Of the picture, (width, height).
        box: Of `values` on the picture: (left, top, right, bottom) in its pixels. Smaller than the picture
            where the model's preprocessing cuts off margins, larger where it pads.
        probability: Of the class, as the model sees the patch in fp32; None where there is no class.
        about: Plain values that a method adds, such as the baseline of integrated gradients.
    """

    grid: NDArray[np.float32]
    values: NDArray[np.float32]
    method: str
    class_name: str | None
    signed: bool
    unit: str
    size: tuple[int, int]
    box: Box
    probability: float | None = None
    about: Mapping[str, Any] = field(default_factory=dict)


def enlarge(grid: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """(R, C) → (side, side), bilinear; the centre of a cell keeps its value."""
    import torch
    from torch.nn.functional import interpolate

    cells = torch.from_numpy(np.ascontiguousarray(grid, np.float32))[None, None]
    values = interpolate(cells, size=(side, side), mode='bilinear', align_corners=False)
    return values[0, 0].numpy()


def seen_box(resize: ResizePatch, size: tuple[int, int]) -> Box:
    """Which part of a picture (width, height) becomes the square that a tower sees.

    See `ResizePatch`: a centre crop leaves margins out, padding takes more than there is.
    """
    width, height = size
    if resize.how == 'pad':
        side = max(resize.size, width, height)
        left, top = -((side - width) // 2), -((side - height) // 2)
        return float(left), float(top), float(left + side), float(top + side)
    if resize.how == 'shortest':
        short = min(width, height)
        scaled = (resize.resize * width // short, resize.resize * height // short)
    else:
        scaled = (resize.resize, resize.resize)
    edges = []
    for full, now in zip(size, scaled, strict=True):
        start = round((now - resize.size) / 2)  # as torchvision crops
        edges.append((start * full / now, (start + resize.size) * full / now))
    (left_, right), (top_, bottom) = edges
    return left_, top_, right, bottom
