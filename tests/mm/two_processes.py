"""Two processes on CPUs, for what a distributed run does."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch


def in_two(work: Callable[..., None], folder: Path, *args: Any) -> None:
    """`work(rank, *args)` in two processes that know each other.

    They are forked, so that neither has to import everything once more.
    """
    if torch.cuda.is_available():
        pytest.skip('processes that are forked share no GPU')
    torch.multiprocessing.start_processes(
        _started, (work, folder, args), nprocs=2, start_method='fork'
    )


def _started(rank: int, work: Callable[..., None], folder: Path, args: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    os.environ.update(LOCAL_RANK=str(rank), RANK=str(rank), WORLD_SIZE='2')
    store = f'file://{folder}/two_processes'
    torch.distributed.init_process_group('gloo', store, rank=rank, world_size=2)
    work(rank, *args)
    torch.distributed.destroy_process_group()
