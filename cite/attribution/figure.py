"""One picture of a patch with its maps: a row per method, a column per class."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image

from cite.atomic import replacing
from cite.attribution.overlays import as_picture, colours_of, limits, overlay
from cite.attribution.patch_map import PatchMap
from cite.errors import ConfigError
from cite.experiments.picture import GREY, HEADING, SMALL, TEXT

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cite.images.batches import ImageLike

SIDE = 2.3
"""Inches of a column."""
BAR = 0.06
"""Of a column's width."""
FLATTEST = 0.5
"""Height of a row by its columns' width, at least: beside it the scale of the colours must be legible."""
CHARACTERS = 32
"""That fit into it."""
LINE = 0.16
DPI = 150
MOST_PIXELS = 1024
"""Longer side of a picture as it is drawn."""


def draw(
    image: ImageLike,
    maps: Sequence[Sequence[PatchMap]],
    title: str = '',
    path: str | Path | None = None,
) -> Figure:
    """The patch, and beside it what each method says of each class, on one scale of colours per method.

    Args:
        image: The same image as `explain` was given.
        maps: Per method, its maps in the order of the columns.
        title: Above all, such as the file's name.
        path: PNG to write; the same maps give the same bytes.

    Raises:
        ConfigError: No maps.
        DataError: An image of another size than that of the maps.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    if not maps or not all(maps):
        raise ConfigError('a picture of maps needs at least one map of each method')
    picture, factor = _reduced(as_picture(image))
    columns = max(len(row) for row in maps)
    tall = max(picture.height / picture.width, FLATTEST)
    titles = [[_title(one) for one in row] for row in maps]
    lines = [max(text.count('\n') + 1 for text in row) for row in titles]
    # a class stands above its column once; what knows no class says so itself
    above = [
        count if number == 0 or row[0].class_name is None else 0
        for number, (count, row) in enumerate(zip(lines, maps, strict=True))
    ]
    height = sum(SIDE * tall + 0.08 + LINE * count for count in above) + (0.35 if title else 0.1)
    figure = Figure(
        figsize=((columns + 1) * SIDE + 1.0, height),
        dpi=DPI,
        facecolor='white',
        layout='constrained',
    )
    FigureCanvasAgg(figure)
    widths = [1.0] * (columns + 1) + [BAR]
    axes = figure.subplots(len(maps), columns + 2, squeeze=False, width_ratios=widths)
    for ax in axes.flat:
        ax.set_axis_off()
    _show(axes[0, 0], picture, 'patch')
    for of_method, names, line, count in zip(maps, titles, axes, above, strict=True):
        span = limits(of_method)
        for one, name, ax in zip(of_method, names, line[1:], strict=False):
            shown = overlay(picture, _at(one, picture.size, factor), span)
            _show(ax, shown, name if count else '')
        _label(line[1], of_method[0])
        _bar(figure, line[-1], of_method[0], span, tall)
    if title:
        wrapped = '\n'.join(textwrap.wrap(title, int(CHARACTERS * (columns + 1) * TEXT / HEADING)))
        figure.suptitle(wrapped, fontsize=HEADING, parse_math=False)
    if path is not None:
        with replacing(path) as temporary:
            figure.savefig(temporary, format='png', metadata={'Software': None})
    return figure


def _title(one: PatchMap) -> str:
    if one.class_name is None:
        return 'no class: attention alone'
    lines = textwrap.wrap(one.class_name, CHARACTERS)
    return '\n'.join([*lines, f'p = {one.probability:.2f}'])


def _show(ax: Axes, picture: Image.Image, title: str) -> None:
    ax.imshow(picture, interpolation='nearest')
    if title:
        ax.set_title(title, fontsize=TEXT, parse_math=False)


def _label(ax: Axes, one: PatchMap) -> None:
    """The method, left of its row."""
    contrast = ' (contrast)' if one.about.get('contrast') else ''
    ax.text(
        -0.03,
        0.5,
        one.method + contrast,
        rotation=90,
        ha='right',
        va='center',
        transform=ax.transAxes,
        fontsize=TEXT,
        color=GREY,
    )


def _bar(figure: Figure, ax: Axes, one: PatchMap, span: tuple[float, float], tall: float) -> None:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    ax.set_axis_on()
    colours: Any = ScalarMappable(Normalize(*span), colours_of(one))
    bar = figure.colorbar(colours, cax=ax)
    ax.set_box_aspect(tall / BAR)  # as tall as the maps
    bar.ax.tick_params(labelsize=SMALL)
    signs = 'against ← 0 → for' if one.signed else ''
    bar.set_label(f'{one.unit}\n{signs}' if signs else one.unit, fontsize=SMALL)
    bar.formatter.set_powerlimits((-3, 3))  # type: ignore[attr-defined]
    bar.ax.yaxis.get_offset_text().set_fontsize(SMALL)


def _reduced(picture: Image.Image) -> tuple[Image.Image, float]:
    """No larger than it is drawn, and by what factor it has shrunk."""
    factor = min(1.0, MOST_PIXELS / max(picture.size))
    if factor == 1.0:
        return picture, factor
    size = max(1, round(picture.width * factor)), max(1, round(picture.height * factor))
    return picture.resize(size, Image.Resampling.LANCZOS), factor


def _at(one: PatchMap, size: tuple[int, int], factor: float) -> PatchMap:
    """The map of a picture that has shrunk."""
    if factor == 1.0:
        return one
    left, top, right, bottom = (edge * factor for edge in one.box)
    return replace(one, size=size, box=(left, top, right, bottom))
