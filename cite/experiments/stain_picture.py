"""The picture of a run by groups of stain: patches of each group, and how well the model does on it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cite.atomic import replacing
from cite.evaluation.predictions import Predictions
from cite.experiments.picture import BLUE, GREY, HEADING, ORANGE, SMALL, TEXT, fit
from cite.experiments.stain_groups import StainGroup, sample_files
from cite.images import load_rgb

if TYPE_CHECKING:
    from matplotlib.figure import SubFigure

COLUMNS = 6
WIDTH, ROW, DPI = 12.0, 1.12, 150  # inches, inches per group, dots per inch
HEAD, FOOT = 0.75, 0.5  # inches
THUMBNAIL = 256
BARS = (('patch', BLUE, 0.17), ('slide', ORANGE, -0.17))


def draw_groups(
    groups: Sequence[StainGroup],
    predictions: Predictions,
    out: Path,
    title: str = '',
    data_root: Path | None = None,
) -> Path:
    """Draws a row per group, with sample patches and bars of balanced accuracy, as a PNG.

    Args:
        groups: As `stain_groups` gives them, made of `predictions`.
        out: File to write, as a whole or not at all.
        title: What stands at the top, such as the name of the run.
        data_root: Folder that relative file names start from; the working folder by default.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    height = HEAD + ROW * len(groups) + FOOT
    figure = Figure(figsize=(WIDTH, height), dpi=DPI, facecolor='white')
    FigureCanvasAgg(figure)
    rows = figure.add_gridspec(3, 1, height_ratios=[HEAD, ROW * len(groups), FOOT])
    head, body = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
    line = head.text(
        0.02, 0.66, ' '.join(title.split()), fontsize=15, fontweight='bold', va='center'
    )
    line.set_parse_math(False)
    fit([line], 0.96 * WIDTH * DPI, smallest=7.0)
    parts: Any = body.subfigures(1, 2, width_ratios=[0.68, 0.32])
    left, right = parts
    head.text(0.02, 0.2, 'Slides by the stain of their tissue', fontsize=HEADING, va='center')
    head.text(0.693, 0.2, 'Balanced accuracy', fontsize=HEADING, va='center')
    _draw_patches(left, groups, predictions, Path(data_root or '.'))
    _draw_bars(right, groups)
    foot = figure.add_subfigure(rows[2])
    note = (
        'Groups come from colour alone. They may differ in tissue as well as in stain, and small ones '
        'by chance. * not every class: over the others.'
    )
    foot.text(0.02, 0.35, note, fontsize=SMALL, color=GREY, va='center')
    with replacing(out) as temporary:
        figure.savefig(temporary, format='png')
    return out


def _draw_patches(
    part: SubFigure, groups: Sequence[StainGroup], predictions: Predictions, root: Path
) -> None:
    files = sample_files(predictions, COLUMNS)
    grid = part.add_gridspec(
        len(groups), COLUMNS, left=0.2, right=0.985, top=0.99, bottom=0.01, wspace=0.05, hspace=0.07
    )
    for row, group in enumerate(groups):
        for column, file in enumerate(_samples(group.results.slides, files)):
            image = load_rgb(root / file)
            image.thumbnail((THUMBNAIL, THUMBNAIL))
            ax = part.add_subplot(grid[row, column])
            ax.imshow(np.asarray(image))
            ax.set_axis_off()
        middle = 1 - (row + 0.5) / len(groups)
        slides, patches = len(group.results.slides), group.results.metrics['patch']['n']
        word, _, code = group.colour.partition(' #')
        part.text(0.03, middle, group.name, fontsize=15, va='center', fontweight='bold')
        lines = [word, f'#{code}'] if code else [word]
        lines += [f'{slides:,} slide{"s" * (slides != 1)}', f'{patches:,} patches']
        text = '\n'.join(lines)
        x = 0.075 if len(group.name) == 1 else 0.03
        y = middle if len(group.name) == 1 else middle - 0.2 / len(groups)
        part.text(x, y, text, fontsize=TEXT, va='center', linespacing=1.35)


def _samples(slides: Sequence[str], files: dict[str, list[str]]) -> list[str]:
    """Slides take turns."""
    most = max(len(files[slide]) for slide in slides)
    turns = [
        files[slide][turn] for turn in range(most) for slide in slides if turn < len(files[slide])
    ]
    return turns[:COLUMNS]


def _draw_bars(part: SubFigure, groups: Sequence[StainGroup]) -> None:
    ax = part.add_axes((0.04, 0.02, 0.9, 0.96))
    for level, colour, offset in BARS:
        for row, group in enumerate(groups):
            value = group.results.metrics[level]['balanced_accuracy']
            place = row - offset
            ax.barh(place, value, height=0.3, color=colour)
            star = '*' if group.results.missing else ''
            inside = value > 0.3
            ax.text(
                value + (-0.015 if inside else 0.015),
                place,
                f'{level} {value:.3f}{star}',
                ha='right' if inside else 'left',
                va='center',
                fontsize=TEXT,
                color='white' if inside and colour == BLUE else 'black',
            )
    ax.set(xlim=(0, 1), ylim=(len(groups) - 0.5, -0.5), yticks=[])
    chance = 1 / len(groups[0].results.slides_per_class)
    ax.axvline(chance, color=GREY, linewidth=0.8, linestyle=':', zorder=0)
    ax.tick_params(labelsize=SMALL, length=2)
    for side in ('top', 'right'):
        ax.spines[side].set_visible(False)
    ax.text(chance, -0.47, ' chance', fontsize=SMALL, color=GREY, va='top')
