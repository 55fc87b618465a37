"""One bank filled by all processes of a run, while other runs that want it wait."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeVar

import torch.distributed as dist
from filelock import BaseFileLock, FileLock, Timeout

from cite.cache_limit import trim
from cite.errors import CiteError
from cite.prefix.bank import Bank, Places, banks_dir, unique
from cite.prefix.fill import Batches, OutOfRangeError, fill

T = TypeVar('T')


def fill_together(
    bank: Bank, batches: Batches, names: Sequence[bytes], limit_gb: float, logger: logging.Logger
) -> Places:
    """Has every process compute its share of what is missing.

    Args:
        names: Of the rows that are wanted.
        limit_gb: Of all banks, see `KeepOptions`.
        logger: Is told that another run is waited for.

    Returns:
        Where they all are.

    Raises:
        As `fill`.
    """
    bank.folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(bank.folder / '.lock')
    try:
        if rank() == 0:
            _acquire(lock, logger)
            bank.open()
            bank.sweep()
        _wait()
        missing = unique(names, bank.find(names).missing)
        _wait()  # nobody writes before everybody has looked
        error = None
        try:
            fill(bank, batches, missing[rank() :: world_size()], progress=rank() == 0)
        except (CiteError, OSError, OutOfRangeError) as found:
            error = found
        failed = [found for found in of_all(error) if found is not None]
        if failed:
            raise failed[0]  # in every process, so that none waits for another
    finally:
        lock.release()
    places = bank.find(names)
    left = unique(names, places.missing)
    if left:  # they were computed by processes with another disk
        fill(bank, batches, left)
        places = bank.find(names)
    if rank() == 0:
        trim(banks_dir(), int(limit_gb * 1e9), keep=[bank.folder])
        trim(bank.folder, int(limit_gb * 1e9))
    return places


def _acquire(lock: BaseFileLock, logger: logging.Logger) -> None:
    try:
        lock.acquire(blocking=False)
    except Timeout:
        logger.info('another run computes activations of these frozen stages; waiting for it')
        lock.acquire()


def rank() -> int:
    """Number of this process; 0 where there is but one."""
    return dist.get_rank() if _several() else 0


def world_size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _several() else 1


def of_first(value: T) -> T:
    """What the first process has, in all of them."""
    if not _several():
        return value
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def of_all(value: T) -> list[T]:
    """What each process has, in all of them."""
    if not _several():
        return [value]
    values = [value] * world_size()
    dist.all_gather_object(values, value)
    return values


def _wait() -> None:
    if _several():
        dist.barrier()


def _several() -> bool:
    return dist.is_available() and dist.is_initialized()
