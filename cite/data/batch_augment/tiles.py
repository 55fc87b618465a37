"""Batches picture by picture on a CPU, so that what is computed stays in the cache of a core."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

TILE = 2**16
"""Pixels that are worked on at once."""


def by_tiles(images: Tensor, function: Callable[[slice, Tensor, Tensor], None]) -> Tensor:
    """A new batch that `function` fills in.

    Args:
        images: uint8 (B, 3, S, S).
        function: Is given which patches these are, their pixels (B', 3, P), and where the new ones go. On
            a GPU all patches come at once, elsewhere one of them or a part of it.
    """
    images = images.contiguous()
    out = torch.empty_like(images)
    source, target = images.flatten(2), out.flatten(2)
    if images.device.type != 'cpu':
        function(slice(0, len(images)), source, target)
        return out
    with one_thread():
        for row in range(len(images)):
            own = slice(row, row + 1)
            tiles = zip(source[own].split(TILE, 2), target[own].split(TILE, 2), strict=True)
            for part, into in tiles:
                function(own, part, into)
    return out


def channel_means(images: Tensor) -> Tensor:
    """uint8 (B, 3, S, S) → float32 (B, 3)."""
    if images.device.type != 'cpu':
        return images.float().mean((2, 3))
    with one_thread():
        return torch.cat([one.float().mean((2, 3)) for one in images.split(1)])


def put(values: Tensor, into: Tensor) -> None:
    """Grey levels, cut to whole ones within 0 to 255. PyTorch converts to 16 bit, and from there to 8,
    many times as fast as to 8 directly."""
    into.copy_(values.short().clamp_(0, 255))


@contextmanager
def one_thread() -> Iterator[None]:
    """Inside, PyTorch's operations on the CPU are not shared out: on a single picture waiting for the other
    threads takes longer than the work, and many times as long where other processes need the cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
