"""The charts of a run report: training curve and confusion matrix.

Each function draws into the axes that it is given and keeps no state.
Colours are those of Okabe and Ito, which readers with any colour vision tell apart; right and wrong
also differ by a mark. All text is literal: '$' in a class name is no formula.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

BLUE, ORANGE, PURPLE = '#0072B2', '#E69F00', '#CC79A7'
GREEN, VERMILION, GREY = '#009E73', '#D55E00', '#555555'
HEADING, TEXT, SMALL = 11.0, 8.5, 7.5  # points
COUNTS_UP_TO = 10  # classes; counts would not be legible in more cells
UPRIGHT_UP_TO = 28  # characters that fit side by side under a matrix


def draw_training(ax: Axes, log: Sequence[dict[str, Any]]) -> None:
    """Loss on the left axis; on the right balanced accuracy of patches and slides, if validated."""
    loss = _series(log, 'loss')
    if not loss[0]:
        ax.set_axis_off()
        message = 'No training log in the run folder:\nnothing was trained, or nothing was logged.'
        ax.text(0.5, 0.5, message, ha='center', va='center', fontsize=TEXT, color=GREY)
        return
    lines = ax.plot(*loss, color=BLUE, linewidth=1.2, label='loss')
    ax.set_xlabel('iteration', fontsize=TEXT)
    ax.set_ylabel('training loss', fontsize=TEXT, color=BLUE)
    ax.set_ylim(bottom=min(0.0, *loss[1]))
    ax.grid(axis='y', color='#DDDDDD', linewidth=0.6)
    ax.tick_params(labelsize=TEXT)
    ax.spines['top'].set_visible(False)
    scores = {level: _series(log, f'{level}/balanced_accuracy') for level in ('patch', 'slide')}
    if any(steps for steps, _ in scores.values()):
        right = ax.twinx()
        for (level, score), color, marker in zip(
            scores.items(), (ORANGE, PURPLE), ('o', 's'), strict=True
        ):
            if score[0]:
                lines += right.plot(
                    *score, color=color, marker=marker, ms=4, lw=1.2, label=f'validation, {level}'
                )
        right.set_ylim(0, 1.02)
        right.set_ylabel('balanced accuracy', fontsize=TEXT)
        right.tick_params(labelsize=TEXT)
        right.spines['top'].set_visible(False)
    # above the axes: there it hides no point of any curve
    ax.legend(
        handles=lines,
        fontsize=SMALL,
        loc='lower right',
        bbox_to_anchor=(1.0, 1.0),
        ncols=3,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.2,
    )


def draw_confusion(
    ax: Axes, metrics: dict[str, Any], names: Sequence[str], level: str, *, truth: bool
) -> None:
    """Confusion matrix with counts; colour is the share of the row, so that rare classes show.

    Args:
        metrics: what `classification_metrics` returned.
        names: the classes' names, in its order, short enough for tick labels.
        truth: label the rows (off for a matrix that shares them with its left neighbour).
    """
    counts = np.array(metrics['confusion'])
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap='Blues', vmin=0, vmax=1)
    ax.set_title(f'{level} level, n = {metrics["n"]:,}', fontsize=TEXT + 1)
    ax.set_anchor('N')
    size = SMALL if len(names) <= COUNTS_UP_TO else max(3.5, SMALL * COUNTS_UP_TO / len(names))
    ax.set_xticks(range(len(names)), names, fontsize=size, parse_math=False)
    ax.set_yticks(range(len(names)), names if truth else [], fontsize=size, parse_math=False)
    if max(map(len, names)) * len(names) > UPRIGHT_UP_TO:
        for tick in ax.get_xticklabels():
            tick.set(rotation=40, ha='right', rotation_mode='anchor')
    ax.tick_params(length=0)
    ax.set_xlabel('predicted', fontsize=TEXT)
    if truth:
        ax.set_ylabel('truth', fontsize=TEXT)
    if len(names) <= COUNTS_UP_TO:
        for (row, column), count in np.ndenumerate(counts):
            color = 'white' if share[row, column] > 0.5 else 'black'
            fontsize = TEXT if len(f'{counts.max():,}') * len(names) <= UPRIGHT_UP_TO else SMALL - 1
            ax.text(
                column, row, f'{count:,}', ha='center', va='center', color=color, fontsize=fontsize
            )


def fit(texts: Sequence[Text], width: float, smallest: float = 6.0) -> None:
    """Set texts in one size at which the widest takes at most `width` pixels.

    What is too wide even in the `smallest` size (points) loses its end.
    """
    widest = max(text.get_window_extent().width for text in texts)
    if widest <= width:
        return
    size = max(smallest, float(texts[0].get_fontsize()) * width / widest)
    for text in texts:
        text.set_fontsize(size)
        while (found := text.get_window_extent().width) > width * 1.01:
            string = text.get_text()
            kept = min(len(string) - 2, int(len(string) * width / found))
            if kept < 1:
                break
            text.set_text(string[:kept] + '…')


def _series(log: Sequence[dict[str, Any]], key: str) -> tuple[list[int], list[float]]:
    """Steps and values of the entries that have a finite number under `key`."""
    points = [
        (entry['step'], float(entry[key]))
        for entry in log
        if isinstance(entry.get(key), (int, float)) and math.isfinite(entry[key])
    ]
    return [step for step, _ in points], [value for _, value in points]
