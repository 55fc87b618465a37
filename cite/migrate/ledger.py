"""Book-keeping of a migration: every key of an old config is carried, dropped with a note, or refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cite.data.table import some
from cite.errors import ConfigError

_REQUIRED = object()


class Ledger:
    """What a migration has to say.

    Attributes:
        notes: What was dropped or changed, and why.
        refused: What cannot be carried, each named.
    """

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.refused: list[str] = []

    def note(self, text: str) -> None:
        if text not in self.notes:  # val and test often say the same
            self.notes.append(text)

    def refuse(self, text: str) -> None:
        if text not in self.refused:
            self.refused.append(text)

    def settle(self, what: str) -> None:
        """
        Raises:
            ConfigError: Something was refused; all of it is named.
        """
        if self.refused:
            raise ConfigError(f'{what} cannot be migrated: {some(self.refused)}')


class Section:
    """A dict of an old config, of which every key has to be spoken for.

    Args:
        ledger: Where notes and refusals go.
        where: Dotted path of the dict, for messages; '' for the top.
        content: The dict.
    """

    def __init__(self, ledger: Ledger, where: str, content: Mapping[str, Any]) -> None:
        self.ledger = ledger
        self.where = where
        self._left = dict(content)

    def path(self, key: str) -> str:
        return f'{self.where}.{key}' if self.where else key

    def take(self, key: str, default: Any = _REQUIRED) -> Any:
        """The value of a key, which is carried. A missing one without a default is refused."""
        if key not in self._left and default is _REQUIRED:
            self.ledger.refuse(f'{self.path(key)} is missing')
            return None
        return self._left.pop(key, default)

    def section(self, key: str) -> Section:
        """A dict inside; an empty one where there is none."""
        content = self._left.pop(key, None)
        if content is not None and not isinstance(content, Mapping):
            self.ledger.refuse(f'{self.path(key)} is no dict')
            content = None
        return Section(self.ledger, self.path(key), content or {})

    def drop(self, key: str, why: str = '') -> None:
        """Leaves a key out, where it is there; `why` becomes a note."""
        if key in self._left:
            value = self._left.pop(key)
            if why:
                self.ledger.note(f'{self.path(key)}={_short(value)} is left out: {why}')

    def expect(self, key: str, *values: Any, why: str) -> None:
        """Drops a key that has one of these values, which change nothing; refuses any other."""
        if key in self._left and (value := self._left.pop(key)) not in values:
            self.ledger.refuse(f'{self.path(key)}={_short(value)} ({why})')

    def keys(self) -> list[str]:
        """What has not been spoken for."""
        return list(self._left)

    def close(self) -> None:
        """Refuses what is left."""
        for key, value in self._left.items():
            self.ledger.refuse(f'{self.path(key)}={_short(value)} (not known here)')
        self._left.clear()


@contextmanager
def spoken_for(section: Section) -> Iterator[Section]:
    """The section, closed at the end."""
    yield section
    section.close()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}…'
