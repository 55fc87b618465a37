"""A finished store, and the way to one: found, waited for, or built."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from cite.cache_limit import touch
from cite.data.file_digests import DigestIndex, file_digests, statuses
from cite.data.store.building import Plan, build
from cite.data.store.front import Step, front_digest
from cite.data.store.names import content_digest, names_digest
from cite.data.table import PatchTable
from cite.errors import DataError
from cite.paths import cache_dir


class PatchStore:
    """Patches of a table, uint8 (N, 3, S, S), row by row.

    What is read of the file is shared by all processes of the machine. In a copy sent to another process
    the file is opened anew.

    Args:
        path: A file of `open_store`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pixels: NDArray[np.uint8] | None = np.load(path, mmap_mode='r', allow_pickle=False)

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """All patches; read only."""
        if self._pixels is None:
            self._pixels = np.load(self.path, mmap_mode='r', allow_pickle=False)
        return self._pixels

    @property
    def shape(self) -> tuple[int, ...]:
        """(N, 3, S, S)."""
        return self.pixels.shape

    def __len__(self) -> int:
        return len(self.pixels)

    def batch(self, rows: ArrayLike) -> Tensor:
        """Patches (B, 3, S, S) of rows of the table, a copy."""
        index = np.asarray(rows, dtype=np.intp)
        found = torch.empty((len(index), *self.shape[1:]), dtype=torch.uint8)
        np.take(self.pixels, index, axis=0, out=found.numpy(), mode='wrap')
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {'path': self.path, '_pixels': None}


def open_store(
    table: PatchTable,
    front: Sequence[Step],
    folder: Path | None = None,
    progress: bool = True,
    logger: logging.Logger | None = None,
) -> PatchStore:
    """The store of a table's patches, built where there is none.

    A file in the store is named by the bytes of the patches, the steps and the versions of what decodes:
    other patches, steps or versions are another file. A patch whose path, size and time of change have
    been seen before is not read again to know its bytes. Of several processes that ask at once, one
    builds, the others wait.

    Args:
        table: The patches, at least one.
        front: Deterministic steps, see `split_pipeline`; they end with a size that all patches share.
        folder: Default `cache_dir() / 'patches'`.
        progress: Show a bar where it takes longer than two seconds.

    Raises:
        DataError: A file that is missing or damaged (named), pictures of different sizes, no patches, too
            little room on the disk.
    """
    if len(table) == 0:
        raise DataError(f'{table.source}: there are no patches to store')
    logger = logger or logging.getLogger(__name__)
    folder = cache_dir() / 'patches' if folder is None else folder
    index = DigestIndex(table)
    files = statuses(table)
    steps = front_digest(front)[:8]
    started = f'{steps}-{names_digest(table, files)[:24]}'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _alone(folder / f'.{started}.lock', logger):
            found = _find(folder, steps, table, index, logger)
            if found is not None:
                return found
            plan = Plan(table, front, folder / f'{started}.partial')
            digests = build(plan, logger, progress)
            path = folder / _name(steps, content_digest(digests))
            plan.partial.replace(path)
            plan.done.unlink(missing_ok=True)
            index.remember(table, files, digests)
            return PatchStore(path)
    except OSError as error:
        raise DataError(
            f'patch store {folder}: {error.strerror or error}. Let CITE_CACHE name a folder that can be '
            'written, or set store=False'
        ) from error


def _find(
    folder: Path, steps: str, table: PatchTable, index: DigestIndex, logger: logging.Logger
) -> PatchStore | None:
    """The finished store of these patches, where there is one."""
    known = index.look_up(table, statuses(table)).any(1)
    if not known.all() and not any(folder.glob(f'{steps}-*.npy')):
        return None  # they are read once, when they are decoded
    digests = file_digests(table)
    path = folder / _name(steps, content_digest(digests))
    try:
        store = PatchStore(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        logger.warning(f'patch store {path} is damaged ({error}) and is made anew')
        return None
    if len(store) != len(table) or store.pixels.dtype != np.uint8:
        logger.warning(f'patch store {path} is damaged (shape {store.shape}) and is made anew')
        return None
    touch(path)
    return store


def _name(steps: str, content: str) -> str:
    return f'{steps}-{content[:32]}.npy'


@contextmanager
def _alone(lock: Path, logger: logging.Logger) -> Iterator[None]:
    """Inside, no other process that asks for the same lock; it goes with the process that holds it."""
    held = FileLock(lock)
    try:
        held.acquire(blocking=False)
    except Timeout:
        logger.info('patch store: another process builds it; waiting')
        held.acquire()
    try:
        yield
    finally:
        held.release()
