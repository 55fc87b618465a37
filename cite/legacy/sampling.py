"""The published balanced sampling: cycles through classes inside the data set, a copy per worker.

Order comes from counters and shuffled lists that live in the data set, so every worker process of a data
loader has its own copy of them, in the same state, and W workers deliver each batch W times in a row
until a list wraps and a worker's own generator reshuffles it.
"""

from __future__ import annotations

import copy
import itertools
import random
from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from cite.errors import ConfigError, DataError

Balance = Literal['patch', 'slide']


class BalancedOrder:
    """An endless sequence of rows: class 0, 1, 2, 0, 1, 2, …, each going through its own patches.

    Args:
        labels, slides: class index and slide of every row, in the order of the annotation file.
        balance: 'patch': a class is one shuffled list, shuffled again when it has been gone through.
            'slide': a class goes through its slides, and each slide through its patches.
        generator: what shuffles. Replaced in the copies that workers hold.
        slide_order: slides in their initial order within a class. Default: by first appearance. The
            published code takes the order of a Python set, which changes with PYTHONHASHSEED.

    Raises:
        DataError: a class between 0 and the largest label without patches.
    """

    def __init__(
        self,
        labels: ArrayLike,
        slides: ArrayLike,
        balance: Balance,
        generator: random.Random,
        slide_order: Sequence[str] | None = None,
    ) -> None:
        label_of, slide_of = np.asarray(labels).tolist(), np.asarray(slides).tolist()
        self.generator = generator
        order = dict.fromkeys(slide_of) if slide_order is None else slide_order
        rows: list[list[list[int]]] = [[] for _ in range(max(label_of, default=-1) + 1)]
        of_slide: dict[str, list[int]] = {}
        for row, slide in enumerate(slide_of):
            of_slide.setdefault(slide, []).append(row)
        for slide in order:
            rows[label_of[of_slide[slide][0]]].append(of_slide[slide])
        empty = [label for label, members in enumerate(rows) if not members]
        if empty or not rows:
            raise DataError(f'balanced sampling needs patches of every class; none of {empty}')
        self._classes: list[_Patches] | list[_Slides]
        if balance == 'patch':
            self._classes = [_Patches(list(itertools.chain(*members))) for members in rows]
            for patches in self._classes:
                generator.shuffle(patches.rows)
        else:
            self._classes = [_Slides([_Patches(members) for members in of]) for of in rows]
        self._class = 0

    def __next__(self) -> int:
        row = self._classes[self._class].draw(self.generator)
        self._class = (self._class + 1) % len(self._classes)
        return row


class _Patches:
    """A list of rows that is reshuffled whenever it has been gone through."""

    def __init__(self, rows: list[int]) -> None:
        self.rows = rows
        self.position = 0

    def draw(self, generator: random.Random) -> int:
        row = self.rows[self.position]
        self.position = (self.position + 1) % len(self.rows)
        if self.position == 0:
            generator.shuffle(self.rows)
        return row


class _Slides:
    """A list of slides, of which each gives one patch in turn; reordered after every round."""

    def __init__(self, slides: list[_Patches]) -> None:
        self.slides = slides
        self.position = 0

    def draw(self, generator: random.Random) -> int:
        row = self.slides[self.position].draw(generator)
        self.position = (self.position + 1) % len(self.slides)
        if self.position == 0:
            generator.shuffle(self.slides)
        return row


def batches(
    labels: ArrayLike,
    slides: ArrayLike,
    batch_size: int,
    balance: Balance,
    seed: int = 0,
    workers: int = 0,
    slide_order: Sequence[str] | None = None,
) -> Iterator[list[int]]:
    """Endless batches of rows as the published training saw them.

    An epoch has as many draws as there are patches, so its last batch may be short. Worker w is asked
    for batches w, w + W, … of an epoch, and lives on into the next one. What the published pipeline
    draws from Python's generator between two shuffles (the number of rotations) is not imitated: from
    the first reshuffle on, a sequence is one that could have been.

    Args:
        labels, slides, balance, slide_order: see `BalancedOrder`.
        batch_size: patches per batch.
        seed: of the initial shuffle; worker w reshuffles by seed + w.
        workers: 0 draws in the main process.

    Raises:
        ConfigError: a number or a name out of range.
    """
    if batch_size < 1 or workers < 0 or balance not in ('patch', 'slide'):
        raise ConfigError(
            'the published sampling needs batch_size ≥ 1, workers ≥ 0 and balance patch or slide; '
            f'found {batch_size}, {workers}, {balance!r}'
        )
    first = BalancedOrder(labels, slides, balance, random.Random(seed), slide_order)
    copies = [copy.deepcopy(first) for _ in range(workers)] or [first]
    if workers:
        for number, order in enumerate(copies):
            order.generator = random.Random(seed + number)
    n = len(np.asarray(labels))
    sizes = [min(batch_size, n - start) for start in range(0, n, batch_size)]
    return (
        [next(copies[number % len(copies)]) for _ in range(size)]
        for _ in itertools.count()
        for number, size in enumerate(sizes)
    )
