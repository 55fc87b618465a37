"""The name of one run of a study, and where it lies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cite.errors import DataError

_ID = re.compile(r'(?P<method>[^/]+)/k(?P<shots>\d+|all)-s(?P<split>\d+)-t(?P<seed>\d+)')


@dataclass(frozen=True, order=True)
class RunKey:
    """One method, trained once.

    Attributes:
        method: Its name in the study.
        shots: Training slides per class as text, '1', '2', …, or 'all'.
        split_seed: Decides which slides train.
        seed: Decides everything else: initial weights, order of patches, augmentation.
    """

    method: str
    shots: str
    split_seed: int
    seed: int

    def __str__(self) -> str:
        return f'{folder_name(self.method)}/k{self.shots}-s{self.split_seed}-t{self.seed}'

    def folder(self, study: str | Path) -> Path:
        """Of the run, in the folder of the study."""
        return Path(study) / 'runs' / str(self)


def folder_name(method: str) -> str:
    """A method's name as a folder: letters, digits, dots, dashes and underscores stay."""
    name = re.sub(r'[^\w.+-]+', '_', method).strip('._')
    if not name:
        raise DataError(f'method name {method!r} has no letter or digit to call a folder by')
    return name


def shots_order(shots: str) -> float:
    """For sorting: numbers by size, 'all' behind them."""
    return float('inf') if shots == 'all' else int(shots)


def parse_id(text: str) -> tuple[str, str, int, int]:
    """'cite/k4-s0-t1' → folder name of the method, shots, split seed, seed.

    Raises:
        DataError: It is no such name.
    """
    found = _ID.fullmatch(text)
    if found is None:
        raise DataError(f'{text!r} is no run of a study, which are called method/k4-s0-t0')
    return found['method'], found['shots'], int(found['split']), int(found['seed'])
