"""From a tower and patches to their kept activations: what is asked for, whether it pays, and doing it."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cite.data.file_digests import file_digests
from cite.data.transforms import PatchTransform, augments
from cite.data.views import View
from cite.encoders.tuned import evaluating
from cite.errors import ConfigError
from cite.inference.batch_size import BatchSize
from cite.inference.batched import parts
from cite.precision import autocast
from cite.prefix.bank import Bank, free_bytes, unique
from cite.prefix.cost import Cost
from cite.prefix.fill import Batches, OutOfRangeError
from cite.prefix.kept import Kept, fits
from cite.prefix.processes import fill_together, of_all, of_first, rank
from cite.prefix.question import DTYPES, Question, ask, picture

if TYPE_CHECKING:
    from cite.data.dataset import PatchDataset
    from cite.encoders.towers.tower import VisionTower

SPARE = 2**30
"""Bytes that are left free on the disk."""
PROBE = 8
"""Patches that the cost of computing is measured on."""


@dataclass(frozen=True)
class KeepOptions:
    """How far to go.

    Attributes:
        mode: 'auto' keeps where it pays, 'on' always, 'off' never.
        limit_gb: Of all banks together; the least recently used segments go first.
        dtype: In which tokens are kept: see `ask`.
    """

    mode: str = 'auto'
    limit_gb: float = 50
    dtype: str = 'auto'


@dataclass
class Keeper:
    """Keeps what the frozen stages of one tower make of patches.

    In a distributed run every process has one and calls it alike: each computes a share.

    Attributes:
        tower: On its device, weights loaded.
        precision: 'fp32', 'bf16' or 'fp16', in which it computes.
        options: How far to go.
        logger: Is told what is kept, what is not, and why.
        workers: Processes that decode.
    """

    tower: VisionTower
    precision: str
    options: KeepOptions
    logger: logging.Logger
    workers: int = 0

    def __post_init__(self) -> None:
        self._size = BatchSize('auto', self.tower.mean.device)

    def keep(
        self, patches: PatchDataset, steps: Sequence[Any], what: str, draws: int, batch_size: int
    ) -> Kept | None:
        """Activations of these patches in all of their views, or None where they are not kept.

        Args:
            steps: The pipeline of the patches as a config has it, one entry per step of its transform.
            what: Whose patches they are, for messages.
            draws: How many patches would be computed otherwise.
            batch_size: Images computed at once, as long as memory lasts.

        Raises:
            ConfigError: `mode='on'`, and they cannot be kept.
            DataError: A patch that cannot be read.
            TrainingError: An activation that is no number.
        """
        reason = self.impossible(patches)
        if reason:
            self._without(what, reason)
            return None
        self._size = BatchSize(batch_size, self.tower.mean.device)
        transform = patches.transform
        assert isinstance(transform, PatchTransform)
        plain = [s for s, step in zip(steps, transform.steps, strict=True) if not augments(step)]
        question = ask(self.tower, plain, self.precision, self.options.dtype)
        wanted = self._wanted(patches, steps)
        try:
            return self._keep(question, patches, wanted, what, draws, batch_size)
        except OutOfRangeError:
            if self.options.dtype != 'auto':
                raise ConfigError(
                    f'a value of {what} is beyond {question.dtype}; set cache.dtype=bfloat16'
                ) from None
            question = replace(question, dtype='bfloat16')
            return self._keep(question, patches, wanted, what, draws, batch_size)

    def impossible(self, patches: PatchDataset) -> str:
        """Why nothing could be kept of them; '' where it could."""
        if self.options.mode == 'off':
            return 'cache=off'
        if not self.tower.frozen_stages:
            return 'weights train from the first block on, or the tuning looks at the images'
        transform = patches.transform
        if not isinstance(transform, PatchTransform):
            return 'their transform is none of ours'
        if patches.views is None and transform.augments:
            return 'every draw is augmented afresh (train_dataloader.dataset.views=8 fixes 8 views)'
        return ''

    def _wanted(self, patches: PatchDataset, steps: Sequence[Any]) -> list[tuple[bytes, View]]:
        """Every patch in every view, patch after patch, each with the name that it is kept under."""
        digests = file_digests(patches.table, progress=rank() == 0)
        return [
            (picture(digest.tobytes().hex(), view, patches.seed, steps), View(row, view))
            for row, digest in enumerate(digests)
            for view in range(patches.views or 1)
        ]

    def _keep(
        self,
        question: Question,
        patches: PatchDataset,
        wanted: list[tuple[bytes, View]],
        what: str,
        draws: int,
        batch_size: int,
    ) -> Kept | None:
        bank = Bank(question)
        names = [name for name, _ in wanted]
        places = bank.find(names)
        todo = unique(names, places.missing)
        size, seconds = places.row_bytes, 0.0
        if todo:
            size, seconds = self._probe(question, patches, [wanted[p][1] for p in todo[:PROBE]])
        total, device = len(names) * size, self.tower.mean.device
        in_memory = fits(total, device)
        cost = Cost(draws, len(todo), seconds, size, in_memory)
        reason = of_first(self._unwise(cost, bank) if todo else '')
        if reason:
            self._without(what, reason)
            return None
        shape = f'{len(patches):,} patches'
        if patches.views and patches.views > 1:
            shape += f' × {patches.views} views'
        if any(of_all(bool(todo))):
            self.logger.info(
                f'{what}: {len(todo):,} of {shape} go through {self._stages} once; '
                f'{len(todo) * size / 2**20:,.1f} MiB are written into {bank.folder}'
            )
            batches = Batches(patches, wanted, self._forward, batch_size, self.workers)
            try:
                places = fill_together(bank, batches, names, self.options.limit_gb, self.logger)
            except OSError as error:
                told = error.strerror or str(error)
                self._without(what, f'{bank.folder} cannot be written: {told}')
                return None
        where = 'in memory' if in_memory else 'on the disk'
        self.logger.info(
            f'{what}: {self._stages} of {shape} kept, {total / 2**20:,.1f} MiB {where}'
        )
        return Kept(places, patches.views or 1, device, in_memory)

    def _unwise(self, cost: Cost, bank: Bank) -> str:
        """Why it is not done; '' where it is."""
        size = cost.missing * cost.size
        room = free_bytes(bank.folder) - SPARE
        limit = self.options.limit_gb * 1e9
        if size > min(room, limit):
            return (
                f'{size / 1e9:,.1f} GB would be written, and there is room for {max(room, 0) / 1e9:,.1f} '
                f'(limit: cache.limit_gb={self.options.limit_gb:g}). Point CITE_CACHE to a larger disk, or '
                'take fewer views'
            )
        if self.options.mode == 'auto' and not cost.pays:
            return f'keeping would take {cost.keeping:,.1f} s, computing every time {cost.computing:,.1f} s'
        return ''

    def _without(self, what: str, reason: str) -> None:
        if self.options.mode == 'on':
            raise ConfigError(f'cache=on: what is made of {what} cannot be kept: {reason}')
        if self.options.mode == 'auto':
            self.logger.info(f'{what}: nothing kept ({reason})')

    @property
    def _stages(self) -> str:
        count = self.tower.frozen_stages
        return 'the tower' if count > self.tower.depth else f'blocks 0 to {count - 1}'

    def _forward(self, images: Tensor) -> Tensor:
        return torch.cat(list(parts(self._prefix, images, self._size)))

    @torch.no_grad()
    def _prefix(self, images: Tensor) -> Tensor:
        device = self.tower.mean.device
        with evaluating(self.tower), autocast(self.precision, device):
            return self.tower.prefix(images.to(device, non_blocking=True))

    def _probe(
        self, question: Question, patches: PatchDataset, views: Sequence[View]
    ) -> tuple[int, float]:
        """Bytes of a kept row, and seconds that computing it takes."""
        images = torch.stack([patches[view]['image'] for view in views])
        values = self._forward(images)  # the first time is slower
        start = time.perf_counter()
        self._forward(images).cpu()
        seconds = (time.perf_counter() - start) / len(images)
        dtype = DTYPES[question.dtype] or values.dtype
        return values[0].numel() * dtype.itemsize, seconds
