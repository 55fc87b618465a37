"""Text and CSV files that people made: UTF-8, with errors that name the file and the line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path

from cite.data.table import some
from cite.errors import DataError


def read_rows(path: str | Path) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Header and (line number, fields) of a UTF-8 CSV file; every row has the header's length.

    Raises:
        DataError: no such file, empty, not UTF-8, or (while iterating) a row of another length.
    """
    path = Path(path)
    reader = csv.reader(read_lines(path), strict=True)  # strict: an open quote would eat the rest

    def lines() -> Iterator[list[str]]:
        try:
            yield from reader
        except csv.Error as error:
            raise DataError(f'{path}, line {reader.line_num}: not CSV ({error})') from error

    rows_left = lines()
    header = [name.strip() for name in next(rows_left, [])]

    def rows() -> Iterator[tuple[int, list[str]]]:
        for row in rows_left:
            if not row:
                continue
            if len(row) != len(header):
                raise DataError(
                    f'{path}, line {reader.line_num}: expected {len(header)} fields '
                    f'({", ".join(header)}), found {len(row)}'
                )
            yield reader.line_num, row

    return header, rows()


def require_file(path: Path) -> None:
    """Raise `DataError` where there is no such file, naming those of its kind beside it."""
    if path.is_file():
        return
    beside = sorted(other.name for other in path.parent.glob(f'*{path.suffix}') if other.is_file())
    there = f'; {path.parent} has {some(beside)}' if path.suffix and beside else ''
    raise DataError(f'{path}: no such file{there}')


def read_lines(path: Path) -> io.StringIO:
    """Lines of a UTF-8 file (a byte order mark is dropped), with their line feeds.

    Raises:
        DataError: no such file, empty, or not UTF-8.
    """
    require_file(path)
    try:
        text = path.read_text(encoding='utf-8-sig')
    except UnicodeDecodeError as error:
        raise DataError(f'{path}: not UTF-8 ({error}); save it as UTF-8') from error
    if not text.strip():
        raise DataError(f'{path}: the file is empty')
    return io.StringIO(text, newline='')  # lines end at line feeds only, unlike str.splitlines
