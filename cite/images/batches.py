"""Anything that users call images → batches for a tower."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cite.errors import ConfigError, DataError
from cite.images.read import load_rgb, to_rgb
from cite.images.read_ahead import in_order, settle_workers
from cite.images.resize import to_uint8_tensor

if TYPE_CHECKING:
    ImageLike = str | Path | Image.Image | np.ndarray | Tensor

BATCHES_AHEAD = 2
"""How many batches are read while one is computed."""


def image_batches(
    images: Iterable[ImageLike] | ImageLike,
    prepare: Callable[[Any], Any],
    batch_size: int | Callable[[], int],
    workers: int | None = 0,
    pin: bool = False,
) -> Generator[Tensor, None, None]:
    """uint8 batches (≤ batch_size, 3, S, S).

    Args:
        images: Paths, PIL images, uint8 arrays H × W × 3, or uint8 tensors 3 × H × W; one of them, a
            list, or a generator. Without workers nothing is read before its batch is due; with them, at
            most two batches more are.
        prepare: Picture → picture of the tower's size: a `ResizePatch`, with other steps or without. With
            workers it is called in several threads at once.
        batch_size: At least 1; or a function that is asked whenever a batch begins.
        workers: Threads that read and resize while the caller computes; None: one per core.
        pin: Batches in page-locked memory, from where copies to a GPU need not be waited for.

    Raises:
        DataError: A file that is missing or damaged, an array or tensor of another form. It comes when
            its batch is due.
        ConfigError: A batch size below 1, or less than no workers.
    """
    if not callable(batch_size) and batch_size < 1:
        raise ConfigError(f'batch_size must be at least 1, found {batch_size}')
    size = batch_size if callable(batch_size) else lambda: batch_size
    read = partial(read_image, prepare=prepare)
    threads = settle_workers(workers)
    results = in_order(read, several(images), threads, lambda: BATCHES_AHEAD * size())
    with closing(results):
        while part := [result() for result in islice(results, size())]:
            yield stack(part, pin)


def several(images: Iterable[ImageLike] | ImageLike) -> Iterable[ImageLike]:
    """One image as a list of one; several as they are."""
    if isinstance(images, str | Path | Image.Image) or getattr(images, 'ndim', 0) == 3:
        one: Any = images
        return [one]
    many: Any = images
    return many


def read_image(image: ImageLike, prepare: Callable[[Any], Any]) -> Tensor:
    """One image → uint8 (3, S, S).

    Raises:
        DataError: A file that is missing or damaged, an array or tensor of another form.
    """
    picture: Any = _picture(image)  # PIL or tensor: `prepare` takes either and keeps the kind
    pixels = to_uint8_tensor(prepare(picture))
    # A picture's colours lie beside each other. They are sorted here, where threads share the work, and by
    # NumPy: PyTorch would start threads of its own in each of ours.
    return torch.from_numpy(np.ascontiguousarray(pixels.numpy()))


def stack(images: Sequence[Tensor], pin: bool = False) -> Tensor:
    """(3, S, S) each → (B, 3, S, S), page-locked on demand."""
    batch = torch.empty((len(images), *images[0].shape), dtype=torch.uint8, pin_memory=pin)
    return torch.stack(list(images), out=batch)


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
