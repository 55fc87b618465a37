"""Batches through a module, reading and computing at the same time: features, probabilities."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from cite.images.batches import image_batches
from cite.inference.batch_size import BatchSize, out_of_memory
from cite.precision import autocast, settle_precision

if TYPE_CHECKING:
    from cite.images.batches import ImageLike

    Auto = Literal['auto']


def outputs_of_images(
    module: Callable[[Tensor], Tensor],
    images: Iterable[ImageLike] | ImageLike,
    prepare: Callable[[Any], Any],
    device: torch.device,
    batch_size: int | Auto = 'auto',
    precision: str = 'fp32',
    workers: int | None = None,
) -> Generator[Tensor, None, None]:
    """What a module makes of images: float32 (≤ batch, …) on the CPU, in order.

    Args:
        module: Images (B, 3, S, S), uint8 → (B, …). A row's result depends on no other row.
        images, prepare, workers: As `image_batches` takes them; here `workers` is one per core by default.
        device: Of the module.
        batch_size: Images at once; 'auto': what memory and processor are good for.
        precision: 'fp32', 'bf16', 'fp16', or 'auto' for what the hardware is fast at.

    Raises:
        DataError: An image that is missing, damaged or of another form.
        ConfigError: A batch size, precision or number of workers that there is not.
        ModelError: Memory does not last for one image.
    """
    size = BatchSize(batch_size, device)
    compute = computing(module, device, precision)
    with closing(image_batches(images, prepare, lambda: size.now, workers, size.pin)) as batches:
        yield from outputs(compute, batches, size)


def computing(
    module: Callable[[Tensor], Tensor], device: torch.device, precision: str
) -> Callable[[Tensor], Tensor]:
    """A module as a function of batches on the CPU, in a precision, without gradients.

    Raises:
        ConfigError: An unknown precision, or one that the device has not.
    """
    settled = settle_precision(precision, device)

    def compute(batch: Tensor) -> Tensor:
        with torch.inference_mode(), autocast(settled, device):
            return module(batch.to(device, non_blocking=True)).float()

    return compute


def outputs(
    compute: Callable[[Tensor], Tensor], batches: Iterable[Tensor], size: BatchSize
) -> Iterator[Tensor]:
    """Results of batches, on the CPU. A result is fetched when the next batch is under way: so a GPU does
    not wait while that one is put together."""
    under_way: Tensor | None = None
    for batch in batches:
        for result in parts(compute, batch, size):
            if under_way is not None:
                yield under_way.cpu()
            under_way = result
    if under_way is not None:
        yield under_way.cpu()


def parts(compute: Callable[[Tensor], Tensor], batch: Tensor, size: BatchSize) -> Iterator[Tensor]:
    """Results of a batch in as many parts as memory asks for."""
    done = 0
    while done < len(batch):
        part = batch[done : done + size.now]
        size.before()
        try:
            result = compute(part)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            size.halve(len(part), error)
            continue
        size.after(len(part))
        done += len(part)
        yield result
