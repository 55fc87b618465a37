"""A report as plain parts, so that Markdown and HTML say the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Paragraph:
    """Text without markup."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list, each item one line of text."""

    items: Sequence[str]


@dataclass(frozen=True)
class Table:
    """A table of text."""

    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ''

    def is_number(self, column: int) -> bool:
        """Whether a column holds numbers, which stand to the right."""
        cells = [row[column] for row in self.rows]
        return any(cell[:1].isdigit() for cell in cells) and all(
            cell in ('-', '') or cell.lstrip('+−-<0. ')[:1].isdigit() or set(cell) <= set('0.')
            for cell in cells
        )


@dataclass(frozen=True)
class Picture:
    """A figure of the report's folder.

    Attributes:
        path: Relative to the report.
        alt: What it shows, for readers who do not see it.
        caption: Under it.
    """

    path: str
    alt: str
    caption: str


Block = Paragraph | Bullets | Table | Picture


@dataclass(frozen=True)
class Section:
    """A heading and what stands under it."""

    title: str
    blocks: Sequence[Block] = field(default_factory=tuple)

    @property
    def anchor(self) -> str:
        """Of links to it: as GitHub makes them of headings."""
        kept = [c for c in self.title.lower() if c.isalnum() or c in ' -_']
        return ''.join(kept).replace(' ', '-')


@dataclass(frozen=True)
class Document:
    """A whole report.

    Attributes:
        title: Of the study.
        lead: Lines under the title.
        sections: In order.
        footer: Last lines.
    """

    title: str
    lead: Sequence[str]
    sections: Sequence[Section]
    footer: Sequence[str]
