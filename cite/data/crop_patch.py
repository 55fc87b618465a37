"""A random crop: where training pairs are few, each view shows another part of the patch."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torchvision.transforms.v2 import functional as F

from cite.errors import ConfigError
from cite.images.resize import Picture


class CropPatch:
    """A square of the picture at a random place; put it in front of `ResizePatch`.

    What is cropped is enlarged afterwards: magnification varies by up to 1 / √(least share). Where the
    size of nuclei tells something, keep the share near 1.

    Args:
        share: Least and greatest area of the crop, as a share of the largest square; drawn evenly.
    """

    def __init__(self, share: Sequence[float] = (0.6, 1.0)) -> None:
        two = isinstance(share, Sequence) and len(share) == 2
        low, high = share if two else (0.0, 0.0)
        if not 0 < low <= high <= 1:
            raise ConfigError(
                f'CropPatch: share must be (least, greatest) within 0…1, found {share}'
            )
        self.share = (low, high)

    def __call__(self, image: Picture) -> Picture:
        height, width = F.get_size(image)
        low, high = self.share
        area = low + (high - low) * float(torch.rand(()))
        side = max(1, round(min(height, width) * area**0.5))
        top = int(torch.randint(height - side + 1, ()))
        left = int(torch.randint(width - side + 1, ()))
        cropped: Picture = F.crop(image, top, left, side, side)
        return cropped

    def __repr__(self) -> str:
        return f'CropPatch(share={self.share})'
