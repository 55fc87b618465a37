"""The report on paper: the result and where on one page, the tiles on another."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from cite.slides.outputs.drawing import GREY, INK, TEXT
from cite.slides.outputs.report import how, left_out_table, remarks, result_table, verdict, warnings
from cite.slides.outputs.summary import NOTICE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cite.pages.document import Table

PAGE = (8.27, 11.69)  # A4
EDGE, LINE = 0.6, 0.175
LETTERS = 104
"""Of a line of the page."""
DPI = 220


def write_pdf(path: Path, summary: dict[str, Any], maps: Image.Image, tiles: Image.Image) -> None:
    """Writes two pages.

    Args:
        summary: See `cite.slides.outputs.summary`.
        maps: The slide and its maps.
        tiles: The sheet of tiles.
    """
    from matplotlib.backends.backend_pdf import PdfPages

    title = f'Slide {summary["slide"]}'
    about = {'Title': title, 'Creator': 'cite', 'CreationDate': None, 'ModDate': None}
    with PdfPages(path, metadata=about) as pages:
        page = _Page(title)
        page.write([verdict(summary)], bold=True)
        page.table(result_table(summary))
        page.write(remarks(summary))
        below = _Page(title)
        below.table(left_out_table(summary))
        below.write(warnings(summary))
        page.picture(maps, below.used)
        page.table(left_out_table(summary))
        page.write(warnings(summary))
        pages.savefig(page.done(1), dpi=DPI)
        page = _Page(f'{title}: tiles')
        page.write(
            ['Tiles of highest and lowest probability of each class; places in pixels of level 0.']
        )
        details = [f'{name}: {value}' for name, value in how(summary)]
        page.picture(tiles, LINE * (2 + sum(len(textwrap.wrap(line, LETTERS)) for line in details)))
        page.write(details)
        pages.savefig(page.done(2), dpi=DPI)


class _Page:
    """Filled from the top."""

    def __init__(self, title: str) -> None:
        from matplotlib.figure import Figure

        self.figure: Figure = Figure(PAGE)
        self.y = PAGE[1] - EDGE
        self.used = 0.0
        for line in textwrap.wrap(title, 68)[:2]:
            self._text(line, EDGE, 13, 'bold')
            self._down(0.26)
        self.used = 0.0

    def write(self, lines: Sequence[str], bold: bool = False) -> None:
        for text in lines:
            for line in textwrap.wrap(text, LETTERS):
                self._text(line, EDGE, TEXT, 'bold' if bold else 'normal')
                self._down(LINE)
        self._down(0.08)

    def table(self, table: Table) -> None:
        widths = [
            max(len(row[at]) for row in (table.head, *table.rows)) for at in range(len(table.head))
        ]
        widths[0] = min(widths[0], LETTERS - sum(widths[1:]) - 3 * len(widths))
        for number, row in enumerate((table.head, *table.rows)):
            x = EDGE
            lines = 1
            for at, (cell, width) in enumerate(zip(row, widths, strict=True)):
                inches = (width + (3 if at else 1)) * TEXT * 0.54 / 72
                if at:
                    self._text(
                        cell, x + inches, TEXT, 'normal', GREY if not number else INK, 'right'
                    )
                else:
                    broken = textwrap.wrap(cell, max(8, width + 1)) or ['']
                    lines = len(broken)
                    self._text('\n'.join(broken), x, TEXT, 'normal', GREY if not number else INK)
                x += inches
            self._down(LINE * lines)
        if table.note:
            self.write([table.note])
        self._down(0.08)

    def picture(self, image: Image.Image, below: float) -> None:
        """As large as the page allows, with so many inches left below."""
        room = PAGE[0] - 2 * EDGE, max(1.0, self.y - EDGE - 0.3 - below)
        scale = min(room[0] / image.width, room[1] / image.height)
        width, height = image.width * scale, image.height * scale
        ax = self.figure.add_axes(
            (EDGE / PAGE[0], (self.y - height) / PAGE[1], width / PAGE[0], height / PAGE[1])
        )
        ax.imshow(np.asarray(image), aspect='auto', interpolation='antialiased')
        ax.set_axis_off()
        self._down(height + 0.15)

    def done(self, number: int) -> Figure:
        self.y = EDGE - 0.1
        self._text(f'{NOTICE}  Page {number} of 2', EDGE, TEXT, 'normal', GREY)
        return self.figure

    def _down(self, inches: float) -> None:
        self.y -= inches
        self.used += inches

    def _text(
        self, text: str, x: float, size: float, weight: str, colour: str = INK, side: str = 'left'
    ) -> None:
        self.figure.text(
            x / PAGE[0],
            self.y / PAGE[1],
            text,
            va='top',
            ha=side,
            fontsize=size,
            fontweight=weight,
            color=colour,
            parse_math=False,
        )


def as_picture(figure: Figure, dpi: float = DPI) -> Image.Image:
    """A figure as pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(dpi)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert('RGB')
