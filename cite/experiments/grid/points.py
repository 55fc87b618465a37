"""The points of a grid, put together into groups that see the same patches in the same order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError


@dataclass(frozen=True, eq=False)
class GridPoint:
    """One head to train.

    Attributes:
        rows: Numbers of the training patches (n,) in the table of features: a k, a split, a fold.
        seed: Of the initial weights and of the order of the patches.
        lr: Learning rate (AdamW), which falls to zero along a cosine.
        weight_decay: Of all that trains.
    """

    rows: NDArray[np.int64]
    seed: int
    lr: float
    weight_decay: float


@dataclass(frozen=True, eq=False)
class Group:
    """Points of the same rows and seed: their weights start alike, and every batch is the same for all.

    Attributes:
        members: Places of the points in the grid.
    """

    rows: NDArray[np.int64]
    seed: int
    members: tuple[int, ...]

    def split(self, size: int) -> list[Group]:
        """The same points in groups of `size` at the most."""
        starts = range(0, len(self.members), size)
        return [Group(self.rows, self.seed, self.members[i : i + size]) for i in starts]


def groups_of(points: Sequence[GridPoint], patches: int) -> list[Group]:
    """Groups in order of their seeds.

    Args:
        patches: How many there are in the table.

    Raises:
        ConfigError: No points, or a point without rows or with rows that there are not.
    """
    if not points:
        raise ConfigError('the grid has no points')
    found: dict[tuple[int, bytes], list[int]] = {}
    for place, point in enumerate(points):
        rows = np.asarray(point.rows, dtype=np.int64)
        if not len(rows) or rows.min() < 0 or rows.max() >= patches:
            raise ConfigError(
                f'point {place} of the grid: rows must be some of 0…{patches - 1}, found '
                f'{f"{rows.min()}…{rows.max()}" if len(rows) else "none"}'
            )
        found.setdefault((point.seed, rows.tobytes()), []).append(place)
    return [
        Group(np.frombuffer(rows, dtype=np.int64), seed, tuple(members))
        for (seed, rows), members in sorted(found.items(), key=lambda item: item[0][0])
    ]
