"""What a class is called, the texts that stand for it, and how labels of a data set are matched to it."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from cite.data.table import PatchTable
from cite.errors import ConfigError, DataError


@dataclass(frozen=True)
class ClassTexts:
    """Classes of a zero-shot classifier, two or more.

    Attributes:
        names: C names, none twice.
        texts: Of each class, one or more; they take the place of `{}` in templates.
        source: Where they come from, as plain values for records.

    Raises:
        ConfigError: Fewer than two classes, a name or a text given twice, an empty one, or two classes that
            no text tells apart.
    """

    names: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]
    source: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        where = _where(self.source)
        if len(self.names) < 2:
            found = f'one, {self.names[0]!r}' if self.names else 'none'
            raise ConfigError(
                f'{where}: zero-shot classification compares classes and needs at least two, found {found}'
            )
        twice = sorted({name for name in self.names if self.names.count(name) > 1})
        if twice:
            raise ConfigError(f'{where}: classes named more than once: {", ".join(twice)}')
        seen: dict[frozenset[str], str] = {}
        for name, own in zip(self.names, self.texts, strict=True):
            plain = [' '.join(text.casefold().split()) for text in own]
            if not name.strip() or not plain or not all(plain):
                raise ConfigError(f'{where}: class {name!r} needs a name and a text, found {own!r}')
            if len(set(plain)) < len(plain):
                raise ConfigError(f'{where}: class {name!r} is given the same text twice: {own!r}')
            same = seen.setdefault(frozenset(plain), name)
            if same != name:
                raise ConfigError(
                    f'{where}: the classes {same!r} and {name!r} have the same texts, so nothing tells '
                    'them apart'
                )

    def __len__(self) -> int:
        return len(self.names)

    def labels_of(self, table: PatchTable) -> np.ndarray:
        """The class of each patch, (N,) int64; labels are matched by name.

        Numbers that are no names are places among the classes, from 0, and one of the labels must be 0:
        numbers from 1 would name the class after the right one.

        Raises:
            DataError: A label that no class has, numbers without a 0, or two labels of one class; the
                message names both lists.
        """
        by_place = self._by_place(table)
        places = np.zeros(len(table.classes), np.int64)
        given: dict[int, str] = {}
        for index in np.unique(table.labels).tolist():
            label = table.classes[index]
            place = self._place(label, table, by_place)
            if given.setdefault(place, label) != label:
                raise DataError(
                    f'{table.source}: the labels {given[place]!r} and {label!r} are both the class '
                    f'{self.names[place]!r} of {_where(self.source)}; write one of them for both'
                )
            places[index] = place
        return places[table.labels]

    def numbered(self, table: PatchTable) -> dict[str, str]:
        """Label → class of those labels that are taken as numbers of classes; {} where all are names.

        Raises:
            DataError: As `labels_of`.
        """
        found = self.labels_of(table)
        if not self._by_place(table):
            return {}
        used, rows = np.unique(table.labels, return_index=True)
        pairs = {table.classes[u]: self.names[found[r]] for u, r in zip(used, rows, strict=True)}
        numbers = [label for label in pairs if label.isdecimal()]
        return {label: pairs[label] for label in sorted(numbers, key=int)}

    def _by_place(self, table: PatchTable) -> bool:
        """Whether labels that are numbers are places: where none of them is a name."""
        numbers = [label for label in table.classes if label.isdecimal()]
        if not numbers or any(label in self.names for label in numbers):
            return False
        if all(int(label) for label in numbers):
            example = sorted(numbers, key=int)[0]
            raise DataError(
                f'{table.source}: the labels {_listed(sorted(numbers, key=int))} are numbers, which are '
                f'places among the classes of {_where(self.source)} counted from 0, but none is 0. Write '
                f"the classes by the labels' names (in a .txt file '{example}: text'), or number the "
                f'labels from 0. Classes: {_listed(self.names)}'
            )
        return True

    def _place(self, label: str, table: PatchTable, by_place: bool) -> int:
        if label in self.names:
            return self.names.index(label)
        if by_place and label.isdecimal() and int(label) < len(self):
            return int(label)
        close = difflib.get_close_matches(label, self.names, n=1)
        hint = f' Is {close[0]!r} meant?' if close else ''
        raise DataError(
            f'{table.source}: no class of {_where(self.source)} is called {label!r}.{hint} '
            f'Labels: {_listed(table.classes)}. Classes: {_listed(self.names)}. Give each label a class of '
            "its name (in a .txt file 'name: text'), or the folders one by one to leave labels out"
        )


def classes_of_names(names: Sequence[str], where: str) -> ClassTexts:
    """Class names as their own texts, with spaces for underscores.

    Raises:
        ConfigError: As `ClassTexts`, or names that are numbers.
    """
    if names and all(name.isdecimal() for name in names):
        raise ConfigError(
            f'{where}: the labels are numbers, which say nothing to a text tower; give the classes in a '
            'file (--classes), in the order of the numbers from 0, or with the numbers as names (1: text)'
        )
    texts = tuple((' '.join(name.replace('_', ' ').split()),) for name in names)
    return ClassTexts(tuple(names), texts, {'names of': where})


def _where(source: Mapping[str, Any]) -> str:
    return str(source.get('file') or source.get('names of') or 'the classes')


def _listed(names: Sequence[str], most: int = 20) -> str:
    more = f', … ({len(names)} in all)' if len(names) > most else ''
    return ', '.join(names[:most]) + more
