"""A sheet of the tiles that speak most for and against each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from cite.images.contact_sheet import Cell, Row, contact_sheet
from cite.slides.outputs.colours import class_colours
from cite.slides.tiles import read_tile

if TYPE_CHECKING:
    from cite.slides.readers import SlideReader
    from cite.slides.result import SlideResult

EACH = 8
SIDE = 160


def tile_sheet(
    slide: SlideReader, result: SlideResult, numbers: Sequence[int], each: int = EACH
) -> Image.Image:
    """Draws the sheet.

    Args:
        slide: Opened.
        numbers: Of the classes.
        each: Tiles of either kind per class; fewer where there are not twice as many.
    """
    colours = class_colours(len(result.classes))
    rows: list[Row] = []
    count = min(each, max(1, len(result.rows) // 2))
    for number in numbers:
        shares = result.scores[:, number]
        order = np.argsort(-shares, kind='stable')
        name = result.classes[number]
        colour = '#{:02x}{:02x}{:02x}'.format(*colours[number])
        for what, chosen, frame in (
            ('most probable', order[:count], colour),
            ('least probable', order[::-1][:count], None),
        ):
            cells = [_cell(slide, result, int(row), float(shares[row]), frame) for row in chosen]
            rows.append(Row(f'{name}: {what}', cells))
    return contact_sheet(rows, SIDE, columns=count)


def _cell(
    slide: SlideReader, result: SlideResult, row: int, share: float, frame: str | None
) -> Cell:
    """A tile with its probability and its place in pixels of level 0."""
    tile = int(result.rows[row])
    place = f'at {int(result.grid.x[tile])}, {int(result.grid.y[tile])}'
    return Cell(read_tile(slide, result.grid, tile), f'{share:.3f}\n{place}', frame)
