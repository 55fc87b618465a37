"""Which part of the work a process does, where several do it together. They meet in files only."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from cite.errors import ConfigError

LAUNCHERS = (('RANK', 'WORLD_SIZE'), ('SLURM_PROCID', 'SLURM_NTASKS'))
"""What torchrun and Slurm's srun tell every process: its number from 0, and how many there are."""


@dataclass(frozen=True)
class Shard:
    """One of `count` equal parts, `index` from 0; a string of it counts from 1: '1/3' … '3/3'.

    Raises:
        ConfigError: An index beyond the count.
    """

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count:
            raise ConfigError(f'shard {self}: expected 1/{self.count} to {self.count}/{self.count}')

    def __str__(self) -> str:
        return f'{self.index + 1}/{self.count}'

    def takes(self, number: int) -> bool:
        """Whether the piece of that number belongs to it: every count-th does."""
        return number % self.count == self.index


def read_shard(text: str) -> Shard:
    """'2/3' → the second of three.

    Raises:
        ConfigError: Another form, or a number that is not among them.
    """
    if not re.fullmatch(r'[0-9]{1,9}/[0-9]{1,9}', text):
        raise ConfigError(f"shard: expected 'i/n' such as 1/3, found {text!r}")
    index, count = map(int, text.split('/'))
    if not 1 <= index <= count:
        raise ConfigError(f'shard: expected 1/n to n/n, found {text!r}')
    return Shard(index - 1, count)


def shard_from_environment(environment: Mapping[str, str] | None = None) -> Shard:
    """The part of this process under torchrun or Slurm; all of the work anywhere else.

    Raises:
        ConfigError: Values that are no numbers, or contradict each other.
    """
    found = os.environ if environment is None else environment
    for rank, size in LAUNCHERS:
        if rank in found and size in found:
            if not (found[rank].isdecimal() and found[size].isdecimal()):
                raise ConfigError(f'{rank}={found[rank]!r}, {size}={found[size]!r}: no numbers')
            return Shard(int(found[rank]), int(found[size]))
    return Shard()
