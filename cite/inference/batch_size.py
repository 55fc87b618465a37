"""How many images are computed at once: found from memory on a GPU, halved where memory does not last."""

from __future__ import annotations

import logging
from typing import Literal

import torch

from cite.errors import ConfigError, ModelError

logger = logging.getLogger(__name__)

CPU_SIZE = 32
"""On CPUs a larger batch is no faster, and one below 8 is slower."""
PROBE = 8
"""Images of the first batch on a GPU, from which the memory of one is measured."""
MOST = 256
"""A GPU is busy with that; more only takes memory."""
SHARE = 0.5
"""Of the free memory that a batch may take: fragments and other processes need some, too."""

NO_MEMORY = (
    "can't allocate memory",  # PyTorch's allocator on CPUs, on Linux
    'not enough memory',  # on other systems
    'CUDA out of memory',
    'CUBLAS_STATUS_ALLOC_FAILED',
)


class BatchSize:
    """A number of images that follows the memory.

    Args:
        size: A number, or 'auto': on a GPU the first batch is small, and the memory that it takes gives the
            size of the rest; on CPUs a constant.
        device: Where batches are computed.

    Attributes:
        now: Images of the next batch.

    Raises:
        ConfigError: Neither 'auto' nor a whole number from 1.
    """

    def __init__(self, size: int | Literal['auto'], device: torch.device) -> None:
        if size != 'auto' and (isinstance(size, bool) or not isinstance(size, int) or size < 1):
            raise ConfigError(f"batch_size must be at least 1, or 'auto'; found {size!r}")
        self._device = device
        self._failed = False
        self._probing = size == 'auto' and device.type == 'cuda'
        self.now: int = (PROBE if self._probing else CPU_SIZE) if size == 'auto' else int(size)

    @property
    def pin(self) -> bool:
        """Whether batches belong into page-locked memory."""
        return self._device.type == 'cuda'

    def before(self) -> None:
        """To be called in front of each batch."""
        if self._failed and self._device.type == 'cuda':
            torch.cuda.empty_cache()  # only now: while it was handled, the error held what had been taken
        self._failed = False
        if self._probing:
            self._held = torch.cuda.memory_allocated(self._device)
            torch.cuda.reset_peak_memory_stats(self._device)

    def after(self, images: int) -> None:
        """To be called behind each batch that went well."""
        if not self._probing:
            return
        self._probing = False
        peak = torch.cuda.max_memory_allocated(self._device) - self._held
        free = torch.cuda.mem_get_info(self._device)[0]
        # what PyTorch keeps for itself and does not use is free, too
        free += torch.cuda.memory_reserved(self._device)
        free -= torch.cuda.memory_allocated(self._device)
        self.now = fitting(peak / images, free)
        logger.debug('batches of %d images: one takes %.1f MB', self.now, peak / images / 1e6)

    def halve(self, images: int, error: RuntimeError) -> None:
        """Half of a batch for which memory did not last.

        Raises:
            ModelError: It was a single image.
        """
        self._probing, self._failed = False, True
        if images == 1:
            raise ModelError(
                f'the memory of {self._device} does not last for a single image '
                f'({str(error).splitlines()[0]}): end what else uses it, compute in '
                "precision='bf16', or take a smaller model or image_size"
            ) from error
        self.now = images // 2
        logger.warning(
            'out of memory on %s with %d images at once; going on with %d',
            self._device,
            images,
            self.now,
        )


def fitting(each: float, free: float) -> int:
    """The largest power of two up to `MOST` whose images, of `each` bytes, fit into a share of `free`."""
    fits = max(1, int(SHARE * free / max(each, 1)))
    return min(MOST, 1 << (fits.bit_length() - 1))


def out_of_memory(error: RuntimeError) -> bool:
    """Whether it says that memory did not last."""
    return isinstance(error, torch.OutOfMemoryError) or any(
        text in str(error) for text in NO_MEMORY
    )
