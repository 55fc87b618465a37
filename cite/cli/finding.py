"""What `cite doctor` finds: a line that passes, warns or fails, with how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal['PASS', 'WARN', 'FAIL']


@dataclass(frozen=True)
class Finding:
    """One line.

    Attributes:
        level: 'FAIL' is what will not work, 'WARN' what may not, or not everywhere.
        what: The thing and its state.
        mend: What to do about it.
    """

    level: Level
    what: str
    mend: str = ''

    def __str__(self) -> str:
        line = ' '.join(f'{self.what}; {self.mend}'.split()) if self.mend else self.what
        return f'{self.level}  {line}'


def passed(what: str) -> Finding:
    return Finding('PASS', what)


def warned(what: str, mend: str = '') -> Finding:
    return Finding('WARN', what, mend)


def failed(what: str, mend: str = '') -> Finding:
    return Finding('FAIL', what, mend)
