"""Whether keeping pays: what computing costs against what reading does."""

from __future__ import annotations

from dataclasses import dataclass

MEMORY_RATE, DISK_RATE = 4e9, 4e8
"""Bytes per second that rows in any order come at: from memory, and from a disk at its slowest."""


@dataclass(frozen=True)
class Cost:
    """Of one run.

    Attributes:
        draws: Patches that the run still computes, each with its prefix where nothing is kept.
        missing: Rows that would have to be computed first.
        seconds: Per prefix, measured.
        size: Bytes of a kept row.
        in_memory: Whether rows would be held in memory.
    """

    draws: int
    missing: int
    seconds: float
    size: int
    in_memory: bool

    @property
    def computing(self) -> float:
        """Seconds without keeping."""
        return self.draws * self.seconds

    @property
    def keeping(self) -> float:
        """Seconds with it: what is missing is computed and written once, and every draw is read."""
        rate = MEMORY_RATE if self.in_memory else DISK_RATE
        written = self.missing * (self.seconds + self.size / DISK_RATE)
        return written + self.draws * self.size / rate

    @property
    def pays(self) -> bool:
        return self.keeping < self.computing
