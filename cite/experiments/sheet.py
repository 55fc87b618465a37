"""The sheet of patches in a run report: what the model saw, said and should have said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cite.evaluation.predictions import Predictions
from cite.experiments.gallery import choose_patches
from cite.experiments.picture import GREEN, GREY, HEADING, SMALL, VERMILION, fit

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import SubFigure

COLUMNS, ROWS = 6, 4
THUMBNAIL = 256  # pixels; a cell of the sheet has fewer


def draw_sheet(
    part: SubFigure, predictions: Predictions, names: Sequence[str], data_root: Path | None
) -> None:
    """Up to 24 patches, right ones first, each with truth, prediction and its probability.

    A file that cannot be read leaves an empty frame, and a note above the sheet says so.

    Args:
        names: the classes' names, short enough for a thumbnail's width.
        data_root: folder that relative file names start from; the working folder by default.
    """
    right, wrong = choose_patches(predictions, COLUMNS * ROWS)
    predicted = predictions.predicted
    grid = part.add_gridspec(
        ROWS, COLUMNS, left=0.01, right=0.97, top=0.89, bottom=0.01, hspace=0.36, wspace=0.06
    )
    lost, captions = [], []
    for cell, row in enumerate([*right, *wrong]):
        ax = part.add_subplot(grid[cell])
        hit = predicted[row] == predictions.labels[row]
        image = _read_thumbnail(Path(data_root or '.') / predictions.files[row])
        if image is None:
            lost.append(predictions.files[row])
        _frame(ax, image, GREEN if hit else VERMILION)
        said = f'{names[predicted[row]]} {predictions.probabilities[row, predicted[row]]:.2f}'
        caption = f'{names[predictions.labels[row]]}\n{"✓" if hit else "✗"} {said}'
        title = ax.set_title(caption, fontsize=SMALL, pad=4, parse_math=False, linespacing=1.1)
        captions.append(title)
    fit(captions, ax.bbox.width)
    part.text(0.01, 0.985, 'Patches', fontsize=HEADING, va='center')
    note = (
        f'{len(right)} right (✓) and {len(wrong)} wrong (✗), drawn evenly over classes and slides: '
        f'no measure of accuracy.\nFirst line: truth; second: prediction and its probability.'
    )
    part.text(0.01, 0.966, note, fontsize=SMALL, va='top', color=GREY)
    if lost:
        found = len(captions) - len(lost)
        note = f'{found} of {len(captions)} image files could be read; not {lost[0]}'
        line = part.text(0.12, 0.985, note, fontsize=SMALL, va='center', color=VERMILION)
        line.set_parse_math(False)
        fit([line], 0.85 * part.bbox.width)


def _frame(ax: Axes, image: np.ndarray | None, color: str) -> None:
    if image is None:
        ax.set(xlim=(0, 1), ylim=(0, 1), facecolor='#EEEEEE', box_aspect=1)
        ax.text(0.5, 0.5, 'no image', ha='center', va='center', fontsize=SMALL, color=GREY)
    else:
        ax.imshow(image)
    ax.set(xticks=[], yticks=[])
    for spine in ax.spines.values():
        spine.set(color=color, linewidth=2.5)


def _read_thumbnail(path: Path) -> np.ndarray | None:
    """The image, at most `THUMBNAIL` pixels a side, or None where there is none to read."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            small = image.convert('RGB')
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    small.thumbnail((THUMBNAIL, THUMBNAIL))
    return np.asarray(small)
