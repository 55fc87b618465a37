"""Pictures of where a model said what: one per class, and all of them side by side."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.slides.outputs.colours import class_colours
from cite.slides.outputs.drawing import (
    GREY,
    SMALL,
    TEXT,
    TITLE,
    Scene,
    colour_bar,
    draw_classes,
    draw_heat,
    draw_picture,
    left_out_handles,
    wrapped,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 150
ALONE, PANEL = (8.0, 6.5), (4.2, 4.2)
"""Inches that a slide may take, width and height: alone, and among others."""
NARROWEST = 2.6


def heatmap(of: Scene, number: int) -> Figure:
    """The probability of one class over the slide.

    Args:
        number: Of the class.
    """
    from matplotlib.figure import Figure

    width, height = _size(of, ALONE)
    left, right, below = 0.2, 0.95, 0.35
    page = max(left + width + right, 5.0)
    title = wrapped(f'P({of.result.classes[number]})', page - 0.4, TITLE)
    above = 0.35 + 0.19 * len(title.splitlines()) + 0.15
    tall = above + height + below
    figure = Figure((page, tall), dpi=DPI)
    ax = figure.add_axes((left / page, below / tall, width / page, height / tall))
    draw_heat(ax, of, number)
    high = min(height, 3.0)
    colour_bar(
        figure,
        (
            (left + width + 0.12) / page,
            (below + (height - high) / 2) / tall,
            0.16 / page,
            high / tall,
        ),
        'probability',
    )
    figure.text(0.2 / page, 1 - 0.12 / tall, title, va='top', fontsize=TITLE, parse_math=False)
    where = 1 - (above - 0.25) / tall
    figure.text(
        0.2 / page,
        where,
        wrapped(of.result.name, page - 0.4, SMALL, 1),
        va='top',
        fontsize=SMALL,
        color=GREY,
        parse_math=False,
    )
    handles = left_out_handles(of)
    if handles:
        _legend(figure, handles, ((left + width) / page, 0.02 / tall), 'lower right', 2)
    return figure


def overview_figure(of: Scene, numbers: Sequence[int]) -> Figure:
    """The slide, its most probable classes, and the probability of each class, side by side.

    Args:
        numbers: Of the classes whose probability is shown.
    """
    from matplotlib.figure import Figure

    names = of.result.classes
    panels: list[tuple[str, Callable[[Axes], None]]] = [
        ('slide', lambda ax: draw_picture(ax, of, colour=True)),
        ('most probable class', lambda ax: draw_classes(ax, of)),
    ]
    panels += [
        (f'P({names[number]})', lambda ax, number=number: draw_heat(ax, of, number))  # type: ignore[misc]
        for number in numbers
    ]
    width, height = _size(of, PANEL)
    cell = max(width, NARROWEST)
    columns = _columns(len(panels), cell, height)
    rows = math.ceil(len(panels) / columns)
    titles = [wrapped(title, cell, TEXT) for title, _ in panels]
    above = 0.1 + 0.155 * max(len(title.splitlines()) for title in titles)
    below, gap, edge = 0.32, 0.25, 0.2
    entries = [
        (name, colour) for name, colour in zip(names, class_colours(len(names)), strict=True)
    ]
    page = columns * cell + (columns - 1) * gap + 2 * edge
    foot, legend_columns = _foot(page, [name for name, _ in entries])
    tall = rows * (above + height + below) + foot + edge
    figure = Figure((page, tall), dpi=DPI)
    for at, (title, (_, draw)) in enumerate(zip(titles, panels, strict=True)):
        row, column = divmod(at, columns)
        x = edge + column * (cell + gap)
        y = tall - edge - row * (above + height + below)
        figure.text(x / page, (y - 0.02) / tall, title, va='top', fontsize=TEXT, parse_math=False)
        draw(figure.add_axes((x / page, (y - above - height) / tall, width / page, height / tall)))
    _foot_of(figure, of, entries, foot, legend_columns)
    return figure


def _foot(page: float, names: Sequence[str]) -> tuple[float, int]:
    """Inches of the foot, and columns of its legend: as many as the longest name leaves room for."""
    longest = max(len(wrapped(name, 5.0, SMALL, 1)) for name in names)
    columns = max(1, int((page - 0.3) / (longest * SMALL * 0.58 / 72 + 0.55)))
    lines = math.ceil((len(names) + 2) / columns)
    return 0.75 + 0.19 * lines, columns


def _foot_of(
    figure: Figure, of: Scene, entries: Sequence[tuple[str, Any]], foot: float, columns: int
) -> None:
    """Colour bar, and under it what the colours of classes mean."""
    from matplotlib.patches import Patch

    page, tall = figure.get_size_inches()
    long = min(3.5, page * 0.6)
    colour_bar(figure, (0.2 / page, (foot - 0.2) / tall, long / page, 0.13 / tall), 'probability')
    handles: list[Any] = [
        Patch(facecolor='#{:02x}{:02x}{:02x}'.format(*colour), label=wrapped(name, 5.0, SMALL, 1))
        for name, colour in entries
    ]
    handles += left_out_handles(of)
    _legend(figure, handles, (0.12 / page, 0.03 / tall), 'lower left', columns)


def _legend(
    figure: Figure, handles: list[Any], place: tuple[float, float], corner: Any, columns: int
) -> None:
    legend = figure.legend(
        handles=handles,
        loc=corner,
        bbox_to_anchor=place,
        ncols=min(columns, len(handles)),
        fontsize=SMALL,
        frameon=False,
        borderpad=0,
        handlelength=1.4,
        columnspacing=1.2,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


def _size(of: Scene, most: tuple[float, float]) -> tuple[float, float]:
    """Width and height of a slide in inches."""
    width = min(most[0], most[1] / of.shape)
    return width, width * of.shape


def _columns(count: int, width: float, height: float) -> int:
    """So many that the page is about as wide as a screen, and few places stay empty."""

    def badness(columns: int) -> float:
        rows = math.ceil(count / columns)
        shape = columns * width / (rows * (height + 0.8))
        return abs(math.log(shape / 1.5)) + 0.3 * (rows * columns - count)

    return min(range(1, min(count, 8) + 1), key=badness)


def save(figure: Figure, path: Path) -> None:
    """As PNG, the same bytes for the same figure."""
    # tissue hardly shrinks with more effort
    figure.savefig(path, dpi=DPI, metadata={'Software': None}, pil_kwargs={'compress_level': 3})
