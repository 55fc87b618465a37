"""A folder of kept activations, all of one question, in segments that are written once and never changed.

    <CITE_CACHE>/prefix/<key>/question.json
                              <segment>.values.npy   (rows, *shape): mapped into memory, not read
                              <segment>.names.npy    (rows, 32): which picture each row is of

A segment counts once its names are there, which is written last: so a killed run leaves whole segments or
none, and the next one goes on behind them. Runs at the same time add segments of their own.
"""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cite.atomic import write_json
from cite.cache_limit import touch
from cite.paths import cache_dir
from cite.prefix.question import Question

VALUES, NAMES = '.values.npy', '.names.npy'
NAME_BYTES = 32
ABANDONED = 3600
"""Seconds."""


def banks_dir() -> Path:
    """Where all banks are: `$CITE_CACHE/prefix`."""
    return cache_dir() / 'prefix'


class Bank:
    """The kept answers to one question.

    Attributes:
        folder: Where its segments are.
    """

    def __init__(self, question: Question) -> None:
        self.folder = banks_dir() / question.key
        self.question = question

    def open(self) -> None:
        """Makes the folder, and says in it what it is for."""
        record = self.folder / 'question.json'
        if not record.is_file():
            write_json(record, self.question.record)

    def segments(self) -> list[str]:
        """Names of the whole segments, oldest first."""
        found = self.folder.glob(f'*{NAMES}')
        return sorted(path.name.removesuffix(NAMES) for path in found)

    def find(self, names: Sequence[bytes]) -> Places:
        """Where the rows of these names lie. What is cleaned away meanwhile counts as missing."""
        wanted: dict[bytes, list[int]] = {}
        for position, name in enumerate(names):
            wanted.setdefault(name, []).append(position)
        segment = np.full(len(names), -1, np.int64)
        row = np.full(len(names), -1, np.int64)
        values: list[Tensor] = []
        for stem in self.segments():
            try:
                ids = np.load(self.folder / f'{stem}{NAMES}', allow_pickle=False)
                mapped = _map(self.folder / f'{stem}{VALUES}')
            except (OSError, ValueError, EOFError):
                continue  # cleaned away, or damaged: computed anew
            if ids.shape != (len(mapped), NAME_BYTES) or ids.dtype != np.uint8:
                continue
            raw = ids.tobytes()
            used = False
            for number in range(len(mapped)):
                name = raw[number * NAME_BYTES : (number + 1) * NAME_BYTES]
                for position in wanted.pop(name, ()):
                    segment[position], row[position], used = len(values), number, True
            if used:
                values.append(mapped)
                for suffix in (VALUES, NAMES):
                    touch(self.folder / f'{stem}{suffix}')
        touch(self.folder)
        return Places(segment, row, values)

    def write(self, names: Sequence[bytes], values: Tensor) -> None:
        """Adds a segment: `values` (rows, …) of these names, in the order of the names.

        Raises:
            OSError: No room, or no permission; nothing of the segment stays.
        """
        stem = f'{uuid.uuid1().time:x}-{uuid.uuid4().hex[:8]}'
        final = self.folder / f'{stem}{VALUES}'
        temporary = self.folder / f'.{stem}.tmp'
        try:
            _save(temporary, _as_numpy(values))
            temporary.replace(final)
            ids = np.frombuffer(b''.join(names), np.uint8).reshape(-1, NAME_BYTES)
            _save(temporary, ids)
            temporary.replace(self.folder / f'{stem}{NAMES}')
        except BaseException:
            final.unlink(missing_ok=True)
            raise
        finally:
            temporary.unlink(missing_ok=True)

    def sweep(self) -> None:
        """Removes what killed runs left: parts of segments that nobody has written to for an hour."""
        whole = set(self.segments())
        parts = [
            p for p in self.folder.glob(f'*{VALUES}') if p.name.removesuffix(VALUES) not in whole
        ]
        for path in [*parts, *self.folder.glob('.*.tmp')]:
            try:
                if time.time() - path.stat().st_mtime > ABANDONED:
                    path.unlink()
            except OSError:
                continue  # finished or swept meanwhile


class Places:
    """Where rows lie in segments: `segment` and `row` (N,), -1 where a row is missing."""

    def __init__(self, segment: NDArray[Any], row: NDArray[Any], values: list[Tensor]) -> None:
        self.segment = segment
        self.row = row
        self.values = values

    @property
    def row_bytes(self) -> int:
        """Of one kept row; 0 where there is none."""
        return self.values[0][0].nbytes if self.values else 0

    @property
    def missing(self) -> NDArray[np.int64]:
        """Positions that no segment has."""
        return np.flatnonzero(self.segment < 0)


def free_bytes(folder: Path) -> int:
    """Room on the disk that the folder is on, or will be."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def unique(names: Sequence[bytes], positions: Iterable[int]) -> list[int]:
    """The positions, each name once: copies of a patch are computed once."""
    first: dict[bytes, int] = {}
    for position in positions:
        first.setdefault(names[position], int(position))
    return list(first.values())


def _map(path: Path) -> Tensor:
    array = np.load(path, mmap_mode='c', allow_pickle=False)  # 'c': torch warns of read-only ones
    tensor = torch.from_numpy(array)
    return tensor.view(torch.bfloat16) if tensor.dtype == torch.int16 else tensor  # see `_as_numpy`


def _as_numpy(values: Tensor) -> NDArray[Any]:
    values = values.contiguous()
    # NumPy has no bfloat16
    plain = values.view(torch.int16) if values.dtype == torch.bfloat16 else values
    array: NDArray[Any] = plain.numpy()
    return array


def _save(path: Path, array: NDArray[Any]) -> None:
    with path.open('wb') as file:
        np.save(file, array, allow_pickle=False)
        file.flush()
        os.fsync(file.fileno())
