"""Which patches make up each training batch: a function of (seed, iteration), with no state.

Draw number g (0, 1, 2, ...) picks one patch. Iteration i takes the draws i*B*W to (i+1)*B*W - 1 of
all W ranks together, and rank r the r-th contiguous slice of them, so one GPU with batches of 2B
sees what two GPUs with batches of B see, and resuming at iteration i needs no replay.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cite.data.randomness import generator
from cite.errors import ConfigError, DataError

Balance = Literal['none', 'class', 'slide']

# Purposes, second in every key after the seed, so that no two streams share their randomness.
_PATCHES, _CLASSES, _PATCHES_OF_CLASS, _SLIDES_OF_CLASS, _PATCHES_OF_SLIDE = range(1, 6)


class Draw(NamedTuple):
    """One training sample: the table's row, and the global number its augmentation is seeded by."""

    index: int  # type: ignore[assignment]  # hides tuple.index, which no draw needs
    number: int


class PermutationStream:
    """An endless sequence over n items: one permutation after another.

    Item t is a function of (seed, key, n, t): place t % n of permutation number t // n, which is
    `generator(seed, *key, t // n).permutation(n)`. The last permutation is kept, since draws come
    in order; memory is one permutation per stream, however long training runs.
    """

    def __init__(self, seed: int, key: tuple[int, ...], n: int) -> None:
        self.seed, self.key, self.n = seed, key, n
        self._number = -1
        self._permutation: NDArray[np.int64] = np.empty(0, dtype=np.int64)

    def __getitem__(self, t: int) -> int:
        number, place = divmod(t, self.n)
        if number != self._number:
            self._permutation = generator(self.seed, *self.key, number).permutation(self.n)
            self._number = number
        return int(self._permutation[place])


class TrainBatchSampler:
    """Batches of `Draw` for one rank, endless unless `num_iters` is given.

    Args:
        labels: class index of every patch.
        slides: slide of every patch; a slide lies in one class.
        batch_size: patches per batch and rank (B).
        seed: decides everything.
        balance: `'none'`: every patch once per epoch. `'class'`: every C draws hold each of the C
            classes that occur once, each class going through its own patches. `'slide'`: classes
            as before, each class going through its slides and each slide through its patches, so
            that a slide of 1,000 patches weighs as much as one of 10.
        rank: which slice of the global batch is this process's.
        world_size: number of processes (W).
        start_iter: first iteration to yield, when resuming.
        num_iters: iteration to stop before, counted from 0 whatever `start_iter` is.

    Raises:
        ConfigError: a setting out of range.
        DataError: no patches.
    """

    def __init__(
        self,
        labels: ArrayLike,
        slides: ArrayLike,
        batch_size: int,
        seed: int,
        balance: Balance = 'none',
        rank: int = 0,
        world_size: int = 1,
        start_iter: int = 0,
        num_iters: int | None = None,
    ) -> None:
        label_of = np.asarray(labels)
        slide_of = np.asarray(slides)
        if batch_size < 1:
            raise ConfigError(f'batch_size must be 1 or more, found {batch_size}')
        if balance not in ('none', 'class', 'slide'):
            raise ConfigError(f"balance must be 'none', 'class' or 'slide', found {balance!r}")
        if not 0 <= rank < world_size:
            raise ConfigError(f'rank must be 0 to world_size - 1, found {rank} of {world_size}')
        if num_iters is not None and num_iters < 0:
            raise ConfigError(f'num_iters must be 0 or more, found {num_iters}')
        if len(label_of) == 0:
            raise DataError('there are no patches to sample training batches from')
        if len(label_of) != len(slide_of):
            raise DataError(f'{len(label_of)} labels but {len(slide_of)} slides')
        self.batch_size, self.rank, self.world_size = batch_size, rank, world_size
        self.balance, self.num_iters = balance, num_iters
        self._pick = _picker(label_of, slide_of, seed, balance)
        self.set_start(start_iter)

    def set_start(self, iteration: int) -> None:
        """Let the next pass begin at `iteration`, as an uninterrupted one would go on there."""
        if iteration < 0:
            raise ConfigError(f'the first iteration must be 0 or more, found {iteration}')
        self.start_iter = iteration

    def batch(self, iteration: int) -> list[Draw]:
        """This rank's draws of one iteration."""
        first = (iteration * self.world_size + self.rank) * self.batch_size
        return [Draw(self._pick[g], g) for g in range(first, first + self.batch_size)]

    def __iter__(self) -> Iterator[list[Draw]]:
        iteration = self.start_iter
        while self.num_iters is None or iteration < self.num_iters:
            yield self.batch(iteration)
            iteration += 1

    def __len__(self) -> int:
        if self.num_iters is None:
            raise TypeError('an endless sampler has no length')
        return max(0, self.num_iters - self.start_iter)


class _Patches:
    """Draw number -> row, going through `rows` permutation by permutation."""

    def __init__(self, rows: NDArray[np.int64], seed: int, key: tuple[int, ...]) -> None:
        self.rows = rows
        self.stream = PermutationStream(seed, key, len(rows))

    def __getitem__(self, t: int) -> int:
        return int(self.rows[self.stream[t]])


class _Groups:
    """Draw number -> row: groups in turn, each cycle in a new order, and within them members.

    Each cycle of n draws asks each of the n groups once, so draw t is its group's draw t // n.
    """

    def __init__(
        self, members: list[_Patches] | list[_Groups], seed: int, key: tuple[int, ...]
    ) -> None:
        self.members = members
        self.stream = PermutationStream(seed, key, len(members))

    def __getitem__(self, t: int) -> int:
        return self.members[self.stream[t]][t // len(self.members)]


def _picker(labels: NDArray, slides: NDArray, seed: int, balance: Balance) -> _Patches | _Groups:
    if balance == 'none':
        return _Patches(np.arange(len(labels)), seed, (_PATCHES,))
    classes = [(int(label), np.flatnonzero(labels == label)) for label in np.unique(labels)]
    if balance == 'class':
        of_class = [_Patches(rows, seed, (_PATCHES_OF_CLASS, label)) for label, rows in classes]
        return _Groups(of_class, seed, (_CLASSES,))
    by_slide = []
    for label, rows in classes:
        number = np.unique(slides[rows], return_inverse=True)[1]
        order = rows[np.argsort(number, kind='stable')]
        parts = np.split(order, np.cumsum(np.bincount(number))[:-1])
        of_slide = [
            _Patches(part, seed, (_PATCHES_OF_SLIDE, label, slide))
            for slide, part in enumerate(parts)
        ]
        by_slide.append(_Groups(of_slide, seed, (_SLIDES_OF_CLASS, label)))
    return _Groups(by_slide, seed, (_CLASSES,))
