"""From whatever an image file holds to the square of uint8 pixels that a tower takes.

Nothing here normalises: the vision tower knows its own mean and standard deviation.
"""

from __future__ import annotations

from typing import Literal, TypeVar

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from cite.errors import ConfigError

Picture = TypeVar('Picture', Image.Image, Tensor)


def to_uint8_tensor(image: Picture) -> Tensor:
    """RGB picture to a uint8 tensor 3 x H x W; a uint8 tensor 3 x H x W stays as it is."""
    if isinstance(image, Tensor):
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
            raise TypeError(f'expected uint8 3 x H x W, found {image.dtype} {tuple(image.shape)}')
        return image
    return F.pil_to_tensor(image if image.mode == 'RGB' else image.convert('RGB'))


class ResizePatch:
    """To a square of `size` pixels, with antialiasing as Pillow does it.

    Args:
        size: side of the result.
        interpolation: `'bicubic'`, `'bilinear'`, `'lanczos'` or `'nearest'`.
        how: `'squash'`: both sides to `resize`. `'shortest'`: the shortest side to `resize`. Either, then a
            centre crop of `size`. `'pad'`: black margins around the picture up to a square, whose sides
            go to `size`; a picture that is smaller than that is not enlarged.
        resize: default `size`; e.g. 256 for the customary 256 -> 224. `'pad'` has none.

    A picture that has the size already is returned untouched, not resampled.
    """

    def __init__(
        self,
        size: int,
        interpolation: str = 'bicubic',
        how: Literal['squash', 'shortest', 'pad'] = 'squash',
        resize: int | None = None,
    ) -> None:
        modes = ('bicubic', 'bilinear', 'lanczos', 'nearest')
        if interpolation not in modes:
            raise ConfigError(f'interpolation must be one of {modes}, found {interpolation!r}')
        if how not in ('squash', 'shortest', 'pad'):
            raise ConfigError(f"how must be 'squash', 'shortest' or 'pad', found {how!r}")
        if how == 'pad' and resize is not None:
            raise ConfigError("resize goes with how='shortest' or 'squash'; 'pad' resizes to size")
        if size < 1 or (resize is not None and resize < size):
            raise ConfigError(f'expected 1 <= size <= resize, found size {size}, resize {resize}')
        self.size, self.how, self.resize = size, how, size if resize is None else resize
        self.interpolation = v2.InterpolationMode(interpolation)

    def __call__(self, image: Picture) -> Picture:
        if self.how == 'pad':
            image = self._pad(image)
        height, width = F.get_size(image)
        if self.how != 'shortest':
            target = (self.resize, self.resize)
        else:
            # the long side is cut off to whole pixels, as torchvision, open_clip and transformers do
            short = min(height, width)
            target = (self.resize * height // short, self.resize * width // short)
        if target != (height, width):
            image = F.resize(image, list(target), self.interpolation, antialias=True)
        if target != (self.size, self.size):
            image = F.center_crop(image, [self.size, self.size])
        return image

    def _pad(self, image: Picture) -> Picture:
        """Into the centre of a black square; of an odd margin, the larger half lies right and below."""
        height, width = F.get_size(image)
        side = max(self.size, height, width)
        left, top = (side - width) // 2, (side - height) // 2
        margins = [left, top, side - width - left, side - height - top]
        return F.pad(image, margins) if any(margins) else image
