"""A table in columns, for a terminal."""

from __future__ import annotations

import textwrap

from cite.evaluation.table import printable
from cite.pages.document import Table

WIDTH = 100
CELL = 48
"""Characters of a cell; what is longer ends in an ellipsis."""


def aligned(table: Table, note: bool = True) -> list[str]:
    """Its lines: names to the left, values to the right.

    Args:
        note: Whether the table's note stands below.
    """
    rows = [[shortened(printable(cell)) for cell in row] for row in (table.head, *table.rows)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        '  '.join(
            cell.rjust(width) if at else cell.ljust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*lines, *(textwrap.wrap(table.note, WIDTH) if note and table.note else [])]


def shortened(text: str, most: int = CELL) -> str:
    """At most that many characters, the last of them an ellipsis where more were left."""
    return text if len(text) <= most else f'{text[: most - 1]}…'
