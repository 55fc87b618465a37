"""Computing what a bank does not have yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from tqdm import tqdm

from cite.data.dataset import PatchDataset
from cite.data.views import View
from cite.errors import TrainingError
from cite.prefix.bank import Bank
from cite.prefix.question import DTYPES

SEGMENT_BYTES = 2**27
"""A segment is written whenever it has grown to that size: what a killed run loses at most."""


class OutOfRangeError(Exception):
    """A value that is finite as computed and not as it is kept."""


@dataclass(frozen=True)
class Batches:
    """How activations of patches are computed.

    Attributes:
        patches: Gives the views.
        wanted: Name and view of every row that may be asked for.
        forward: Images (B, 3, S, S) uint8 on the CPU → what is to be kept, (B, …).
        batch_size: Images computed at once.
        workers: Processes that decode.
    """

    patches: PatchDataset
    wanted: Sequence[tuple[bytes, View]]
    forward: Callable[[Tensor], Tensor]
    batch_size: int
    workers: int = 0


def fill(bank: Bank, batches: Batches, rows: Sequence[int], progress: bool = False) -> None:
    """Computes these rows of what is wanted, and writes segments, one after the other.

    Raises:
        DataError: A patch that cannot be read.
        TrainingError: An activation that is no number.
        OutOfRangeError: One that the format it is kept in cannot hold.
        OSError: No room to write.
    """
    if not rows:
        return
    todo = [batches.wanted[row] for row in rows]
    loader: DataLoader[Any] = DataLoader(
        _Views(batches.patches, [view for _, view in todo]),
        batch_size=batches.batch_size,
        num_workers=batches.workers,
        generator=torch.Generator(),  # its own: starting draws a number
    )
    names: list[bytes] = []
    parts: list[Tensor] = []
    done = 0
    with tqdm(
        total=len(todo), desc='frozen stages', unit='patch', delay=2, disable=not progress
    ) as bar:
        for images in loader:
            part = todo[done : done + len(images)]
            done += len(images)
            kept = in_format(batches.forward(images), DTYPES[bank.question.dtype])
            if kept is None:
                raise OutOfRangeError
            bad = (~kept.flatten(1).isfinite().all(dim=1)).nonzero()[:, 0].tolist()
            if bad:
                path = batches.patches.table.path(part[bad[0]][1].row)
                raise TrainingError(
                    f'what the frozen stages make of {path} is not finite; set model.precision=fp32'
                )
            names += [name for name, _ in part]
            parts.append(kept)
            if sum(part.nbytes for part in parts) >= SEGMENT_BYTES:
                bank.write(names, torch.cat(parts))
                names, parts = [], []
            bar.update(len(images))
    if parts:
        bank.write(names, torch.cat(parts))


def in_format(values: Tensor, dtype: torch.dtype | None) -> Tensor | None:
    """On the CPU in that format (None: as they are), or None where it cannot hold one of them."""
    if dtype is None:
        return values.cpu()
    kept = values.to(dtype)
    lost = values.isfinite() & ~kept.isfinite()
    return None if bool(lost.any()) else kept.cpu()


class _Views(torch.utils.data.Dataset[Tensor]):
    """Images of views, in order."""

    def __init__(self, patches: PatchDataset, views: Sequence[View]) -> None:
        self.patches = patches
        self.views = views

    def __len__(self) -> int:
        return len(self.views)

    def __getitem__(self, number: int) -> Tensor:
        image: Tensor = self.patches[self.views[number]]['image']
        return image
