"""How a data set lies on the disk: what is looked for, and how images and labels are read from it.

A layout knows the folder it looks for, what makes it found, and how its labels are read. It reads no image.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cite.data.table import PatchTable, some
from cite.errors import DataError


@dataclass(frozen=True)
class Layout(ABC):
    """One way in which a data set may lie.

    Attributes:
        folder: Under the root of the data; may have `*`, of which the first match counts.
    """

    folder: str

    def find(self, root: Path) -> Path | None:
        """The folder of the data set, where it is there; None elsewhere."""
        if '*' in self.folder and not Path(self.folder).is_absolute():
            places = sorted(root.glob(self.folder))
        else:
            places = [root / self.folder]
        return next((place for place in places if self._is_there(place)), None)

    def table(
        self, base: Path, labels: Mapping[str, str] | None, needs_all: bool = True
    ) -> PatchTable:
        """Images and labels; each image is a slide of its own.

        Args:
            base: What `find` gave.
            labels: Label of the files → class, in the order of the classes; None takes the labels that are
                there, sorted.
            needs_all: Whether a class without an image is an error.

        Raises:
            DataError: Files, columns or labels that are not as published, or images that are missing.
        """
        images, found = self._rows(base, labels)
        return _table(images, found, labels, self._root(base), self._source(base), needs_all)

    @abstractmethod
    def expects(self) -> str:
        """What is looked for, in words."""

    @abstractmethod
    def _is_there(self, base: Path) -> bool: ...

    @abstractmethod
    def _rows(
        self, base: Path, labels: Mapping[str, str] | None
    ) -> tuple[list[str], list[str]]: ...

    def _root(self, base: Path) -> Path:
        return base

    def _source(self, base: Path) -> str:
        return str(base)


def _table(
    images: Sequence[str],
    found: Sequence[str],
    labels: Mapping[str, str] | None,
    root: Path,
    source: str,
    needs_all: bool,
) -> PatchTable:
    if not images:
        raise DataError(f'{source}: no image')
    names = {label: label for label in sorted(set(found))} if labels is None else dict(labels)
    plain = [_whole(label, names) for label in found]
    unknown = sorted(set(plain) - set(names))
    if unknown:
        raise DataError(
            f'{source}: unknown labels {some(map(repr, unknown), len(unknown))}; expected '
            f'{", ".join(names)}'
        )
    empty = [label for label in names if label not in set(plain)]
    if empty and needs_all:
        raise DataError(f'{source}: no image of {some(empty)}')
    given: dict[str, str] = {}
    for image, label in zip(images, plain, strict=True):
        if given.setdefault(image, label) != label:
            raise DataError(f'{source}: {image} is given as {given[image]} and as {label}')
    place = {label: number for number, label in enumerate(names)}
    table = PatchTable(
        files=np.array(images, np.str_),
        labels=np.array([place[label] for label in plain], np.int64),
        slides=np.array(images, np.str_),
        classes=tuple(names.values()),
        root=root,
        source=source,
    )
    table.check_files()
    return table


def _whole(label: str, names: Mapping[str, str]) -> str:
    """'2.0' → '2', as programs write whole numbers of a column that once had gaps."""
    short = label.removesuffix('.0')
    return short if label not in names and short in names else label
