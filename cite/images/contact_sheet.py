"""A contact sheet: rows of thumbnails with a line or two below each, as one picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image, ImageDraw, ImageFont

from cite.errors import ConfigError, DataError
from cite.images.read import load_rgb

SIDE = 160
GAP, FRAME = 10, 4
LINES = 2
"""Lines of a caption; what is longer ends in an ellipsis."""
MOST_CELLS = 2000
TEXT, SMALL, HEADING = 15, 12, 19  # pixels
INK, GREY, PAPER, EMPTY = '#1b1b1b', '#5f5f5f', '#ffffff', '#e6e6e6'


class Cell(NamedTuple):
    """One thumbnail.

    Attributes:
        image: A file or a picture. A file that cannot be read leaves a grey cell that says why.
        caption: Below it.
        colour: Of a frame around it, as Pillow names colours; None: no frame.
    """

    image: Path | Image.Image
    caption: str = ''
    colour: str | None = None


class Row(NamedTuple):
    """Thumbnails under a heading; a row that is wider than the sheet is broken."""

    title: str
    cells: Sequence[Cell]


def contact_sheet(
    rows: Sequence[Row], side: int = SIDE, title: str = '', columns: int = 8
) -> Image.Image:
    """Draws the sheet; the same input gives the same pixels.

    Args:
        rows: From top to bottom. A row without cells is its heading alone.
        side: Pixels of a thumbnail; the longer side of the picture, whose shape is kept.
        title: Above all.
        columns: Thumbnails side by side at most.

    Raises:
        ConfigError: No rows, a size below 32 pixels, or more than 2,000 thumbnails.
    """
    count = sum(len(row.cells) for row in rows)
    if not rows or side < 32 or columns < 1 or count > MOST_CELLS:
        raise ConfigError(
            f'a contact sheet needs rows, thumbnails of at least 32 pixels and at most {MOST_CELLS} of '
            f'them; found {len(rows)} rows, {side} pixels, {count} thumbnails'
        )
    columns = max(1, min(columns, max(len(row.cells) for row in rows)))
    width = max(columns * (side + GAP) + GAP, 480)
    below = GAP + LINES * (SMALL + 4)
    parts = [part for row in rows for part in _lines(row, columns)]
    head = _wrap(title, width - 2 * GAP, HEADING, 3) if title else []
    height = GAP + len(head) * (HEADING + 6)
    headings = [_wrap(part.title, width - 2 * GAP, TEXT, 3) if part.title else [] for part in parts]
    for heading, part in zip(headings, parts, strict=True):
        height += len(heading) * (TEXT + 5) + (side + below if part.cells else 0) + GAP
    sheet = Image.new('RGB', (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    y = _write(draw, head, GAP, GAP, HEADING, INK)
    for heading, part in zip(headings, parts, strict=True):
        y = _write(draw, heading, GAP, y, TEXT, INK)
        for column, cell in enumerate(part.cells):
            _cell(sheet, draw, cell, GAP + column * (side + GAP), y, side)
        y += (side + below if part.cells else 0) + GAP
    return sheet


def _lines(row: Row, columns: int) -> list[Row]:
    """A row in pieces that fit beside each other; the first has its heading."""
    starts = range(0, max(len(row.cells), 1), columns)
    return [Row(row.title if at == 0 else '', row.cells[at : at + columns]) for at in starts]


def _cell(sheet: Image.Image, draw: Any, cell: Cell, x: int, y: int, side: int) -> None:
    try:
        image = cell.image if isinstance(cell.image, Image.Image) else load_rgb(cell.image)
        fitted = _fit(image.convert('RGB'), side)
    except DataError as error:
        draw.rectangle((x, y, x + side - 1, y + side - 1), fill=EMPTY)
        why = (str(error).partition(': ')[2] or str(error)).partition(' (')[0]
        _write(draw, _wrap(why, side - 8, SMALL, 6), x + 4, y + 4, SMALL, GREY)
    else:
        left, top = x + (side - fitted.width) // 2, y + (side - fitted.height) // 2
        sheet.paste(fitted, (left, top))
    if cell.colour is not None:
        draw.rectangle((x, y, x + side - 1, y + side - 1), outline=cell.colour, width=FRAME)
    _write(draw, _caption(cell.caption, side), x, y + side + 3, SMALL, GREY)


def _caption(text: str, side: int) -> list[str]:
    """A caption in its lines. What is said last, such as a file name, keeps its end: copies of a slide's
    patches differ there."""
    lines = ' '.join(text.splitlines()[:-1]), (text.splitlines() or [''])[-1]
    if len(text.splitlines()) < 2:
        return _wrap(text, side, SMALL, LINES)
    return [*_wrap(lines[0], side, SMALL, LINES - 1), _shortened(lines[1], side)]


def _shortened(text: str, width: int) -> str:
    """A line that fits, with an ellipsis in its middle where it had to be cut."""
    font = _font(SMALL)
    if font.getlength(text) <= width:
        return text
    keep = min(len(text), width)
    while keep > 2 and font.getlength(_without_middle(text, keep)) > width:
        keep -= 1
    return _without_middle(text, keep)


def _without_middle(text: str, keep: int) -> str:
    tail = (keep + 1) // 2
    return f'{text[: keep - tail]}…{text[-tail:]}'


def _fit(image: Image.Image, side: int) -> Image.Image:
    """At most `side` pixels on the longer side; small pictures are enlarged."""
    scale = side / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _write(draw: Any, lines: Sequence[str], x: int, y: int, size: int, colour: str) -> int:
    """Lines from (x, y) downwards; gives where the next would begin."""
    step = size + (6 if size == HEADING else 5 if size == TEXT else 4)
    for line in lines:
        draw.text((x, y), line, fill=colour, font=_font(size))
        y += step
    return y


def _wrap(text: str, width: int, size: int, most: int) -> list[str]:
    """Text in lines of at most `width` pixels; a word that is longer is broken, the rest cut off."""
    font = _font(size)
    lines: list[str] = []
    for paragraph in text.splitlines():
        line = ''
        # no more words than could ever be shown: a text may have megabytes
        for word in paragraph[: most * width].split():
            tried = f'{line} {word}' if line else word
            if line and font.getlength(tried) > width:
                lines.append(line)
                tried = word
            while font.getlength(tried) > width and len(tried) > 1:
                cut = len(tried) - 1
                while cut > 1 and font.getlength(tried[:cut]) > width:
                    cut -= 1
                lines.append(tried[:cut])
                tried = tried[cut:]
            line = tried
        lines.append(line)
    if len(lines) <= most:
        return lines
    last = lines[most - 1]
    while last and font.getlength(f'{last}…') > width:
        last = last[:-1]
    return [*lines[: most - 1], f'{last}…']


@lru_cache
def _font(size: int) -> Any:
    """DejaVu Sans, which comes with Matplotlib and knows Greek, Cyrillic and arrows."""
    import matplotlib

    path = Path(matplotlib.get_data_path()) / 'fonts' / 'ttf' / 'DejaVuSans.ttf'
    return ImageFont.truetype(str(path), size)
