"""The most memory that a run took."""

from __future__ import annotations

import ctypes
import gc
import os
import sys
import threading
from pathlib import Path
from types import TracebackType

_STATM = Path('/proc/self/statm')
_MB = 1024**2


class PeakMemory:
    """Watches while its block runs; afterwards `.mb` is the most that was taken, None where unknown.

    On a GPU what PyTorch allocated. On a CPU the growth of the process (Linux only), looked at 20 times a
    second: libraries that were there before do not count, and what former runs have freed is given back to
    the system first.
    """

    mb: float | None = None

    def __enter__(self) -> PeakMemory:
        import torch

        self._gpu = torch.cuda.is_available()
        if self._gpu:
            torch.cuda.reset_peak_memory_stats()
        elif sys.platform.startswith('linux'):
            _give_back()
            self._start = self._most = _resident()
            self._stop = threading.Event()
            self._thread = threading.Thread(target=self._watch, daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import torch

        if self._gpu:
            self.mb = torch.cuda.max_memory_allocated() / _MB
        elif sys.platform.startswith('linux'):
            self._stop.set()
            self._thread.join()
            self.mb = (max(self._most, _resident()) - self._start) / _MB

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self._most = max(self._most, _resident())


def _resident() -> int:
    return int(_STATM.read_text().split()[1]) * os.sysconf('SC_PAGE_SIZE')


def _give_back() -> None:
    """Freed memory that the C library keeps for later would hide what a run takes."""
    gc.collect()
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (OSError, AttributeError):  # another C library
        return
