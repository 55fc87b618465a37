"""Batches of kept activations: from memory where all of them fit, else from the disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cite.prefix.bank import Places

MEMORY_SHARE = 0.5
"""Of the free memory that kept activations may take."""


class Kept:
    """Activations of N patches in V views each.

    Args:
        places: Of every patch in every view, patch after patch: N · V rows, none missing.
        views: V.
        device: Where batches are wanted.
        in_memory: Whether all of them are read now and stay on that device; otherwise rows are read from
            the disk, which the operating system keeps in memory as far as it likes.
    """

    def __init__(self, places: Places, views: int, device: torch.device, in_memory: bool) -> None:
        self.places = places
        self.views = views
        self.device = device
        self._all = self._gather(np.arange(len(places.row))).to(device) if in_memory else None

    def batch(self, rows: np.ndarray, views: np.ndarray | int = 0) -> Tensor:
        """What was kept of these patches in these views: (B, …) on the device, as it is kept."""
        numbers = np.asarray(rows, np.int64) * self.views + views
        if self._all is not None:
            return self._all[torch.as_tensor(numbers, device=self.device)]
        found = self._gather(numbers)
        if self.device.type == 'cuda':
            return found.pin_memory().to(self.device, non_blocking=True)
        return found

    def _gather(self, numbers: np.ndarray) -> Tensor:
        places = self.places
        segments, rows = places.segment[numbers], places.row[numbers]
        if len(places.values) == 1:
            return places.values[0][torch.as_tensor(rows)]
        first = places.values[0]
        found = first.new_empty((len(numbers), *first.shape[1:]))
        for segment in np.unique(segments):
            chosen = torch.as_tensor(np.flatnonzero(segments == segment))
            found[chosen] = places.values[segment][torch.as_tensor(rows)[chosen]]
        return found


def fits(size: int, device: torch.device) -> bool:
    """Whether that many bytes may be held in the memory of the device."""
    if device.type == 'cuda':
        return size <= MEMORY_SHARE * torch.cuda.mem_get_info(device)[0]
    return size <= MEMORY_SHARE * _free_memory()


def _free_memory() -> float:
    """Bytes that processes can still have; a gibibyte where the system does not say."""
    try:
        lines = Path('/proc/meminfo').read_text(encoding='ascii').splitlines()
        found = dict(line.split(':', 1) for line in lines)
        return float(found['MemAvailable'].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return float(2**30)
