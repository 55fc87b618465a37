from __future__ import annotations

import pytest
import torch
from contrast_ranks import run_rank


def results(folder, ddp):
    torch.multiprocessing.spawn(run_rank, (str(folder), ddp), nprocs=2)
    return [torch.load(folder / f'{rank}.pt', weights_only=True) for rank in (0, 1)]


@pytest.fixture(scope='session')
def two_processes(tmp_path_factory):
    """What either of two gloo processes found (see `contrast_ranks`)."""
    return results(tmp_path_factory.mktemp('ranks'), ddp=False)


@pytest.fixture(scope='session')
def two_ddp_processes(tmp_path_factory):
    """The same of what needs DDP."""
    return results(tmp_path_factory.mktemp('ddp_ranks'), ddp=True)
