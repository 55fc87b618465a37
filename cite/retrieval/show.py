"""Hits for people: a table for the terminal, a CSV, a contact sheet."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from cite.atomic import replacing
from cite.images.contact_sheet import MOST_CELLS, Cell, Row, contact_sheet
from cite.retrieval.ask import Answer

SHOWN = 10
"""Queries whose hits the terminal shows."""
LONGEST = 90
"""Characters of a query or caption in the terminal."""
SIDE = 160
WIDEST = 13
"""Thumbnails side by side."""
QUERY, SAME, OTHER = '#1f6fb4', '#2e8b57', '#c0392b'
"""Frames: of the query, of a hit of its class, of another."""


class Found(NamedTuple):
    """What can be found: images, or texts.

    Attributes:
        what: 'image' or 'caption'.
        names: Of each row: what the source calls the image, or the caption itself.
        files: Of the images; [] for captions.
        notes: What is known of each row besides (its label, its caption); [] where nothing is.
        labels: File → its class (where captions are found, its caption), of images of the source.
    """

    what: str
    names: Sequence[str]
    files: Sequence[str] = ()
    notes: Sequence[str] = ()
    labels: dict[Path, str] = {}  # noqa: RUF012 — never changed


def hits_text(answers: Sequence[Answer], found: Found) -> str:
    """Rank, cosine and name of each hit, by query."""
    lines = []
    for answer in answers[:SHOWN]:
        query = answer.query
        lines += ['', f'"{_short(query.text)}"' if query.image is None else str(query.image)]
        lines.append(f'  rank  cosine  {found.what}')
        for hit in answer.hits:
            name = _short(found.names[hit.row]) if found.what == 'caption' else found.names[hit.row]
            note = f'  ({_short(found.notes[hit.row], 60)})' if found.notes else ''
            lines.append(f'  {hit.rank:4d}  {hit.cosine:6.3f}  {name}{note}')
    if len(answers) > SHOWN:
        lines += ['', f'{len(answers) - SHOWN} more queries are in hits.csv']
    return '\n'.join(lines[1:])


def write_hits(parts: Sequence[tuple[Sequence[Answer], Found]], path: Path) -> None:
    """CSV: query, kind of query, rank, cosine, what was found (image, caption), which, and the note."""
    with replacing(path) as place, place.open('w', newline='', encoding='utf-8') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['query', 'query_kind', 'rank', 'cosine', 'hit_kind', 'hit', 'note'])
        for answers, found in parts:
            for query, hits in answers:
                for rank, cosine, row in hits:
                    note = found.notes[row] if found.notes else ''
                    what = (query.shown, query.kind, rank, f'{cosine:.6f}', found.what)
                    table.writerow([*what, found.names[row], note])


def hits_sheet(
    parts: Sequence[tuple[Sequence[Answer], Found]], title: str, side: int = SIDE
) -> tuple[Image.Image, int]:
    """A row per query: a text as heading, an image as first cell; then its hits, with their cosines.

    A query image whose class is known frames hits of its class green and others red; so its own caption.

    Returns:
        The sheet, and how many queries did not fit on it.
    """
    rows: list[Row] = []
    left_out, cells, most = 0, 0, 1
    for answers, found in parts:
        for answer in answers:
            row = _row(answer, found, side)
            cells += len(row.cells)
            if cells > MOST_CELLS:
                left_out += 1
                continue
            most = max(most, len(row.cells))
            rows.append(row)
    if any(cell.colour in (SAME, OTHER) for row in rows for cell in row.cells):
        title += '. Blue: query; green: its class or caption; red: another class'
    lines = -(-most // WIDEST)
    return contact_sheet(rows, side, title, columns=-(-most // lines)), left_out


def _row(answer: Answer, found: Found, side: int) -> Row:
    query = answer.query
    own = None if query.image is None else found.labels.get(query.image.resolve())
    cells = []
    if query.image is not None:
        said = 'query' if own is None or found.what == 'caption' else f'query · {own}'
        cells.append(Cell(query.image, said, QUERY))
    for hit in answer.hits:
        said = f'{hit.rank} · {hit.cosine:.3f}'
        if found.what == 'caption':
            text = found.names[hit.row]
            cells.append(Cell(text_cell(text, side), said, SAME if text == own else None))
            continue
        file = Path(found.files[hit.row])
        label = found.labels.get(file.resolve())
        colour = None if own is None or label is None else SAME if own == label else OTHER
        if label is not None:
            said = f'{said} · {label}\n{file.name}'
        else:
            said = f'{said}\n{found.notes[hit.row] if found.notes else file.name}'
        cells.append(Cell(file, said, colour))
    return Row(f'“{query.text}”' if query.image is None else query.image.name, cells)


def text_cell(text: str, side: int) -> Image.Image:
    """A text as a square picture; what does not fit ends in an ellipsis."""
    picture = Image.new('RGB', (side, side), '#f3f1ea')
    draw, font = ImageDraw.Draw(picture), _font()
    step, inside = 15, side - 12
    lines, line = [], ''
    for word in text[: side * side].split():
        tried = f'{line} {word}'.strip()
        if line and font.getlength(tried) > inside:
            lines.append(line)
            tried = word
        line = tried
    lines.append(line)
    most = inside // step
    if len(lines) > most:
        lines = [*lines[: most - 1], f'{lines[most - 1][: inside // 8]}…']
    for number, shown in enumerate(lines):
        draw.text((6, 6 + number * step), shown, fill='#1b1b1b', font=font)
    return picture


@lru_cache
def _font() -> Any:
    """DejaVu Sans, which comes with Matplotlib."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / 'fonts' / 'ttf' / 'DejaVuSans.ttf'
    return ImageFont.truetype(str(path), 12)


def _short(text: str, longest: int = LONGEST) -> str:
    text = ' '.join(text.split())
    return text if len(text) <= longest else f'{text[: longest - 1]}…'
