"""Labels that stand in a CSV file."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from cite.data.text_files import read_rows
from cite.errors import DataError
from cite.zeroshot.suite.layout import Layout

Column = int | str
"""A column of a sheet by its name, or by its place from 0 where the publisher's reader goes by place."""


@dataclass(frozen=True)
class Sheet(Layout):
    """A CSV file with a row per image.

    Attributes:
        csv: Under the folder.
        file, label: Columns.
        where: Column → value of the rows that count.
        listed: Labels are written as Python lists of one, such as `['glaucoma']`.
        images: Folder that the file column is relative to, from `folder`.
    """

    csv: str = 'manifest.csv'
    file: Column = 'file'
    label: Column = 'label'
    where: Mapping[str, str] = field(default_factory=dict)
    listed: bool = False
    images: str = '.'

    def expects(self) -> str:
        """As `Layout.expects`."""
        return PurePosixPath(self.folder, self.csv).as_posix()

    def _is_there(self, base: Path) -> bool:
        return (base / self.csv).is_file()

    def _root(self, base: Path) -> Path:
        return base / self.images

    def _source(self, base: Path) -> str:
        return str(base / self.csv)

    def _rows(self, base: Path, labels: Mapping[str, str] | None) -> tuple[list[str], list[str]]:
        header, kept = self._kept(base)
        file, label = (self._place(column, header, base) for column in (self.file, self.label))
        read = _from_list if self.listed else str.strip
        return [row[file] for row in kept], [read(row[label]) for row in kept]

    def _kept(self, base: Path) -> tuple[list[str], list[list[str]]]:
        header, rows = read_rows(base / self.csv)
        places = {self._place(column, header, base): value for column, value in self.where.items()}
        kept = [row for _, row in rows if all(row[at] == value for at, value in places.items())]
        if not kept:
            told = ' and '.join(f'{column} = {value}' for column, value in self.where.items())
            raise DataError(f'{base / self.csv}: no row{f" with {told}" if told else ""}')
        return header, kept

    def _place(self, column: Column, header: Sequence[str], base: Path) -> int:
        if isinstance(column, int) and column < len(header):
            return column
        if isinstance(column, str) and column in header:
            return header.index(column)
        raise DataError(
            f'{base / self.csv}: expected the column {column!r}, found {", ".join(header)}'
        )


@dataclass(frozen=True)
class OneHot(Sheet):
    """A CSV file with a column of 0 and 1 per class, of which each row has exactly one 1."""

    def _rows(self, base: Path, labels: Mapping[str, str] | None) -> tuple[list[str], list[str]]:
        if labels is None:
            raise DataError(f'{base / self.csv}: columns of ones need the names of the classes')
        header, kept = self._kept(base)
        file = self._place(self.file, header, base)
        places = {self._place(label, header, base): label for label in labels}
        found = []
        for row in kept:
            ones = [label for at, label in places.items() if row[at].strip() in ('1', '1.0')]
            if len(ones) != 1:
                raise DataError(
                    f'{base / self.csv}: {row[file]} has {", ".join(ones) or "none"} of the classes, '
                    'expected exactly one'
                )
            found += ones
        return [row[file] for row in kept], found


def _from_list(text: str) -> str:
    try:
        (label,) = ast.literal_eval(text)
        return str(label)
    except (ValueError, SyntaxError, TypeError):
        raise DataError(f"expected a label such as ['normal'], found {text[:80]!r}") from None
