"""The same picture in the training pool and in the evaluation set, however it was turned or saved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cite.data.prepare.duplicates import blank_rows, duplicate_groups
from cite.data.prepare.scan import Scan
from cite.data.table import PatchTable
from cite.studies.fingerprint_cache import cached_scan


@dataclass(frozen=True)
class SharedPictures:
    """What a comparison of all images found.

    Attributes:
        compared: Images of both sets, blank tiles aside.
        blank: Blank tiles, which look alike and are no duplicates of each other.
        pairs: A file of the pool and one of the evaluation set that show one picture; one pair for each
            patch of the evaluation set that the pool has too.
    """

    compared: int
    blank: int
    pairs: tuple[tuple[str, str], ...]


def shared_pictures(
    pool: PatchTable, evaluation: PatchTable, workers: int = 4, progress: bool = True
) -> SharedPictures:
    """Compares every image of the pool with every one of the evaluation set.

    What counts as the same picture `cite.data.prepare.duplicates` says: equal up to the eight
    symmetries of the square and one more compression.

    Raises:
        DataError: Images that are missing or cannot be read.
    """
    scan = _joined(*(cached_scan(table, workers, progress) for table in (pool, evaluation)))
    pairs = []
    for group in duplicate_groups(scan, progress):
        training = [row for row in group if row < len(pool)]
        held_out = [row - len(pool) for row in group if row >= len(pool)]
        pairs += [
            (str(pool.files[training[0]]), str(evaluation.files[row]))
            for row in held_out
            if training
        ]
    blank = len(blank_rows(scan))
    return SharedPictures(len(scan.spreads) - blank, blank, tuple(pairs))


def _joined(one: Scan, two: Scan) -> Scan:
    names = ('sizes', 'digests', 'grids', 'spreads')
    return Scan((), *(np.concatenate([getattr(one, n), getattr(two, n)]) for n in names))
