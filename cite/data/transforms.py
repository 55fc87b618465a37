"""Patch transforms for training: random symmetries and colour.

All randomness comes from torch's CPU generator, so `cite.data.randomness.seeded` makes a transform
repeatable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from cite.errors import ConfigError
from cite.images.resize import Picture, to_uint8_tensor


class AugmentPatch:
    """Random symmetry of the square and colour jitter.

    Tissue has no up or left, so all eight symmetries are used; they only move pixels.

    Args:
        flip: mirror, each way with probability one half.
        rotate90: turn by a random multiple of 90 degrees (of 180 where the picture is not square,
            so that its shape stays).
        brightness: a factor drawn from 1 - x to 1 + x; 0 switches it off.
        contrast: likewise.
        saturation: likewise.
        hue: a shift drawn from -x to x of the colour circle, at most 0.5.
    """

    augments = True

    def __init__(
        self,
        flip: bool = True,
        rotate90: bool = True,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.2,
        hue: float = 0.0,
    ) -> None:
        factors = dict(brightness=brightness, contrast=contrast, saturation=saturation)
        bad = {name: x for name, x in factors.items() if not 0 <= x <= 1}
        if bad or not 0 <= hue <= 0.5:
            raise ConfigError(
                f'jitter must be 0 to 1 (hue: 0 to 0.5), found {bad or {"hue": hue}}; '
                'a value x means factors of 1 - x to 1 + x'
            )
        self.flip, self.rotate90 = flip, rotate90
        self.jitter = v2.ColorJitter(**factors, hue=hue) if any((*factors.values(), hue)) else None

    def __call__(self, image: Picture) -> Picture:
        if self.flip:
            mirror, upend = torch.randint(2, (2,)).tolist()
            image = F.horizontal_flip(image) if mirror else image
            image = F.vertical_flip(image) if upend else image
        if self.rotate90:
            image = self._turn(image, int(torch.randint(4, ())))
        return image if self.jitter is None else self.jitter(image)

    @staticmethod
    def _turn(image: Picture, quarters: int) -> Picture:
        height, width = F.get_size(image)
        if height != width:
            quarters = quarters // 2 * 2
        if isinstance(image, Tensor):
            return image.rot90(quarters, dims=(-2, -1)).contiguous()
        turns = (Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270)
        return image.transpose(turns[quarters - 1]) if quarters else image


class PatchTransform:
    """Steps one after the other, and a uint8 tensor 3 x H x W at the end.

    Args:
        steps: picture -> picture, such as `ResizePatch` and, in training, `AugmentPatch`; None is
            no step. What a step that `augments` does is random.
    """

    def __init__(self, *steps: Callable[[Any], Any] | None) -> None:
        self.steps = [step for step in steps if step is not None]

    def __call__(self, image: Image.Image | Tensor) -> Tensor:
        picture: Any = image
        for step in self.steps:
            picture = step(picture)
        return to_uint8_tensor(picture)

    @property
    def augments(self) -> bool:
        """Whether any of the steps is random."""
        return any(augments(step) for step in self.steps)

    @property
    def plain(self) -> PatchTransform:
        """The same without augmentation."""
        return PatchTransform(*(step for step in self.steps if not augments(step)))


def augments(step: Callable[[Any], Any]) -> bool:
    """Whether a step is random, as it says by an attribute of that name."""
    return bool(getattr(step, 'augments', False))
