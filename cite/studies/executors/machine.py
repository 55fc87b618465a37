"""What this machine can give to workers: cores and GPUs."""

from __future__ import annotations

import os


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, 'sched_getaffinity'):  # knows of containers pinned to some, and of Slurm
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def visible_gpus() -> tuple[str, ...]:
    """GPUs as `CUDA_VISIBLE_DEVICES` names them: what it says where it is set, else all of them."""
    named = os.environ.get('CUDA_VISIBLE_DEVICES')
    if named is None:
        import torch

        return tuple(map(str, range(torch.cuda.device_count())))
    found: list[str] = []
    for name in map(str.strip, named.split(',')):
        if name in ('', '-1'):  # as CUDA reads it: what follows a bad name does not count
            break
        found.append(name)
    return tuple(found)


def worker_env(threads: int, gpu: str | None) -> dict[str, str]:
    """This process' environment with a worker's share: threads, and one GPU ('' hides them all)."""
    env = dict(os.environ)
    # PyTorch takes its number of threads from the first
    for name in ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS'):
        env[name] = str(threads)
    env['CUDA_VISIBLE_DEVICES'] = gpu or ''
    return env
