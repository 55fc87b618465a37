"""Image–caption pairs streamed from WebDataset shards, in an order that the seed alone decides.

Every process and every worker reads all headers and so knows the whole order; it decodes its own samples
only. Headers take about 0.1 s for 1,000 pairs, in the first epoch. In return the order does not depend
on how many workers there are, a batch is the same on one GPU as split over two, shards may be of any size
and number, and a resumed run passes over what it has seen without decoding it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
from PIL import Image
from torch.utils.data import IterableDataset, get_worker_info
from tqdm import tqdm

from cite.data.captions import caption_group, mask_grades
from cite.data.randomness import generator, seeded
from cite.data.shard_files import Sample, ShardIndex, read_shard, shard_paths
from cite.data.shard_pairs import BadSampleError, read_pair
from cite.data.splits import VAL
from cite.data.table import some
from cite.errors import ConfigError, DataError

logger = logging.getLogger(__name__)

# Purposes, second in the key after the seed; samplers, splits and augmentation have others.
_SHARDS, _BUFFER, _TRANSFORM = 301, 302, 303

_MOST_KNOWN = 1_000_000  # samples whose places are kept for later epochs: 100 MB a worker


class ShardItem(TypedDict):
    """One pair: transformed image, caption, number of its text, place in the epoch, shard and name."""

    image: Any
    caption: str
    group: int
    index: int
    key: str


class ShardDataset(IterableDataset[ShardItem]):
    """Pairs of local shards, shuffled by a buffer, for a `DataLoader` of the same `batch_size`.

    The order of an epoch is a function of (seed, epoch) and the shards: they are permuted, and their
    samples go through a buffer. All ranks and epochs share one count of samples: global batch i has
    samples i*B*W to (i+1)*B*W - 1, and rank r takes the r-th slice of it. A sample's augmentation is a
    function of (seed, epoch, its name).

    A sample that is incomplete, too large or damaged is skipped. How many there were and the first five
    are logged at the end of each epoch, and kept in `skipped`. Where a skipped one is found only in
    decoding, the next sample of the same worker moves up.

    Args:
        shards: see `shard_paths`.
        transform: PIL image in RGB -> uint8 tensor 3 × H × W, e.g. `PatchTransform`.
        seed: decides order and augmentation.
        buffer: samples that the buffer holds; 0: shards in order, without shuffling. It holds places,
            not pictures: 400 bytes each.
        batch_size: of the loader, per rank (B), so that workers make whole batches in turn.
        epochs: to go through; None: without end. With several ranks take None, since the last batches of
            a finite number need not be enough for all ranks.
        rank: which slice of the global batch is this process's.
        world_size: number of processes (W).
        mask_grades: take out what names the grade, see `cite.data.captions.mask_grades`.
        held_out: the shards are an evaluation part, written of a `PairTable` that says so; without this
            such samples are refused.

    Raises:
        DataError: a shard that is not there or, while iterating, one that is truncated; no sample that
            can be used; a held-out one.
        ConfigError: a setting out of range.
    """

    def __init__(
        self,
        shards: str | Path | Iterable[str | Path],
        transform: Callable[[Image.Image], Any],
        seed: int = 0,
        buffer: int = 10_000,
        batch_size: int = 1,
        epochs: int | None = 1,
        rank: int = 0,
        world_size: int = 1,
        mask_grades: bool = False,
        held_out: bool = False,
    ) -> None:
        if batch_size < 1 or buffer < 0 or (epochs is not None and epochs < 1):
            raise ConfigError(
                'batch_size and epochs must be 1 or more and buffer 0 or more, found '
                f'{batch_size}, {epochs} and {buffer}'
            )
        if not 0 <= rank < world_size:
            raise ConfigError(f'rank must be 0 to world_size - 1, found {rank} of {world_size}')
        self.shards, self.transform, self.seed = shard_paths(shards), transform, seed
        self.buffer, self.batch_size, self.epochs = buffer, batch_size, epochs
        self.rank, self.world_size = rank, world_size
        self.mask_grades, self.held_out = mask_grades, held_out
        self.skipped: list[str] = []
        self._known: dict[Path, ShardIndex] = {}
        self.set_start(0, 0)

    def set_start(self, epoch: int, samples: int) -> None:
        """Let the next pass begin where an uninterrupted one would go on.

        Args:
            epoch: first epoch, from 0.
            samples: samples of it that are done, of all ranks together (iterations × B × W). More than
                an epoch has lead into the next ones, so `set_start(0, all samples done)` works as well.
        """
        if epoch < 0 or samples < 0:
            raise ConfigError(f'epoch and samples must be 0 or more, found {epoch} and {samples}')
        self._start = (epoch, samples)

    def __iter__(self) -> Iterator[ShardItem]:
        info = get_worker_info()
        worker, workers = (0, 1) if info is None else (info.id, info.num_workers)
        count = 0  # of the samples of all ranks, since the start
        for epoch, index, sample in self._draws():
            batch, place = divmod(count, self.batch_size * self.world_size)
            count += 1
            if place // self.batch_size != self.rank or batch % workers != worker:
                continue
            try:
                yield self._item(sample, epoch, index)
            except BadSampleError as problem:
                self.skipped.append(f'{sample.key} ({problem})')

    def _draws(self) -> Iterator[tuple[int, int, Sample]]:
        """(epoch, place in it, sample) of all ranks, from the start on."""
        epoch, passed = self._start
        while self.epochs is None or epoch < self.epochs:
            self.skipped, found = [], 0
            for index, sample in enumerate(self.order(epoch)):
                found = index + 1
                if index >= passed:
                    yield epoch, index, sample
            if self.skipped:
                logger.warning('%d samples skipped: %s', len(self.skipped), some(self.skipped))
            if not found:
                raise DataError(f'{self.shards[0]} ...: no pairs of an image and a caption in them')
            ahead, passed = divmod(max(0, passed - found), found)
            epoch += 1 + ahead

    def count(self) -> int:
        """Pairs in one epoch, by the headers of all shards. Those that do not decode are counted."""
        return sum(1 for _ in self._samples(tqdm(self.shards, 'shards', unit='shard', delay=2)))

    def order(self, epoch: int) -> Iterator[Sample]:
        """Samples of all ranks in the order of an epoch. Bad ones are not among them."""
        if self.buffer == 0:
            yield from self._samples(self.shards)
            return
        turns = generator(self.seed, _SHARDS, epoch).permutation(len(self.shards))
        rng = generator(self.seed, _BUFFER, epoch)
        yield from _shuffled(self._samples(self.shards[i] for i in turns), self.buffer, rng)

    def _samples(self, shards: Iterable[Path]) -> Iterator[Sample]:
        info = get_worker_info()
        for path in shards:
            index = self._known.get(path)
            if index is None:
                index = ShardIndex(path, *read_shard(path))
                if sum(map(len, self._known.values())) < _MOST_KNOWN:
                    self._known[path] = index
            if self.rank == 0 and (info is None or info.id == 0):  # every process finds the same
                self.skipped += index.bad
            yield from index

    def _item(self, sample: Sample, epoch: int, index: int) -> ShardItem:
        pair = read_pair(sample)
        if pair.part == VAL and not self.held_out:
            raise DataError(
                f'{sample.shard}: holds pairs that are held out for evaluation ({sample.name}); train '
                'on other shards, or give held_out=True to evaluate'
            )
        caption = mask_grades(pair.caption) if self.mask_grades else pair.caption
        with seeded(self.seed, _TRANSFORM, epoch, sample.key):
            image = self.transform(pair.image)
        return ShardItem(
            image=image, caption=caption, group=caption_group(caption), index=index, key=sample.key
        )


def _shuffled(samples: Iterable[Sample], buffer: int, rng: np.random.Generator) -> Iterator[Sample]:
    held: list[Sample] = []
    for sample in samples:
        if len(held) < buffer:
            held.append(sample)
            continue
        place = int(rng.integers(buffer))
        yield held[place]
        held[place] = sample
    for place in rng.permutation(len(held)):
        yield held[place]
