"""Anything that users call images → batches for a tower."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from PIL import Image
from torch import Tensor

from cite.errors import ConfigError, DataError
from cite.images.read import load_rgb, to_rgb
from cite.images.resize import to_uint8_tensor

if TYPE_CHECKING:
    import numpy as np

    ImageLike = str | Path | Image.Image | np.ndarray | Tensor


def image_batches(
    images: Iterable[ImageLike] | ImageLike, prepare: Callable[[Any], Any], batch_size: int
) -> Iterator[Tensor]:
    """uint8 batches (≤ batch_size, 3, S, S).

    Args:
        images: Paths, PIL images, uint8 arrays H × W × 3, or uint8 tensors 3 × H × W; one of them, a
            list, or a generator. Nothing is read before its batch is due.
        prepare: Picture → picture of the tower's size: a `ResizePatch`, with other steps or without.
        batch_size: At least 1.

    Raises:
        DataError: A file that is missing or damaged, an array or tensor of another form.
        ConfigError: A batch size below 1.
    """
    if batch_size < 1:
        raise ConfigError(f'batch_size must be at least 1, found {batch_size}')
    if isinstance(images, str | Path | Image.Image) or getattr(images, 'ndim', 0) == 3:
        one: Any = images
        images = [one]
    batch: list[Tensor] = []
    many: Any = images
    for image in many:
        picture: Any = _picture(image)  # PIL or tensor: `prepare` takes either and keeps the kind
        batch.append(to_uint8_tensor(prepare(picture)))
        if len(batch) == batch_size:
            yield torch.stack(batch)
            batch = []
    if batch:
        yield torch.stack(batch)


def _picture(image: Any) -> Image.Image | Tensor:
    if isinstance(image, str | Path):
        return load_rgb(image)
    if isinstance(image, Image.Image):
        return to_rgb(image, Path('image'))  # as from a file: transparency, 16 bit
    if isinstance(image, Tensor):
        if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3:
            raise DataError(
                f'image tensor: expected uint8 3 × H × W, found {image.dtype} {tuple(image.shape)}'
            )
        return image
    shape, dtype = getattr(image, 'shape', None), getattr(image, 'dtype', None)
    if shape is None or len(shape) != 3 or shape[2] != 3 or str(dtype) != 'uint8':
        raise DataError(
            f'image: expected a path, a PIL image, or uint8 H × W × 3, found {type(image).__name__} '
            f'{dtype or ""} {shape or ""}'
        )
    return Image.fromarray(image)
