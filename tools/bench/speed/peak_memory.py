"""How much memory a step takes, measured in a process that does nothing else."""

from __future__ import annotations

import ctypes
import gc
import resource
from collections.abc import Callable
from pathlib import Path

import torch

STATUS = Path('/proc/self/status')


def peak_of(make: Callable[[], Callable[[], object]]) -> dict[str, int]:
    """Bytes at the peak of two steps.

    Args:
        make: Builds what makes a step when it is called.

    Returns:
        'peak': weights and step; 'step': the step alone. Of the GPU where it computes on one; else of the
        process, less what it took before `make`.
    """
    on_gpu = torch.cuda.is_available()
    before = _resident()
    step = make()
    gc.collect()
    _give_back()
    if on_gpu:
        torch.cuda.reset_peak_memory_stats()
        ready = torch.cuda.memory_allocated()
    else:
        ready = _resident()
        _forget_peak()
    for _ in range(2):
        step()
    if on_gpu:
        peak, before = torch.cuda.max_memory_allocated(), 0
    else:
        peak = _read('VmHWM') or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {'peak': peak - before, 'step': peak - ready}


def _resident() -> int:
    return _read('VmRSS') or resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _read(key: str) -> int:
    """Bytes; 0 where the system does not tell."""
    lines = STATUS.read_text().splitlines() if STATUS.is_file() else []
    found = [line.split()[1] for line in lines if line.startswith(f'{key}:')]
    return int(found[0]) * 1024 if found else 0


def _give_back() -> None:
    """What was freed while the model was built goes back to the system, where glibc can."""
    trim = getattr(ctypes.CDLL(None), 'malloc_trim', None)
    if trim is not None:
        trim(0)


def _forget_peak() -> None:
    """The peak starts at what is held now; building took more than the model does."""
    clear = Path('/proc/self/clear_refs')
    if clear.exists():
        clear.write_text('5')
