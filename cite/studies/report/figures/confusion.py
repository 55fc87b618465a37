"""Confusion matrices."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cite.studies.report.facts import counted, shots_text
from cite.studies.report.figures.style import TEXT, class_names, looks, new_figure
from cite.studies.report.gather import MAIN_LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cite.studies.report.facts import Facts

NAME, TITLE = 'confusion', 'Confusion matrices'
MOST = 6
ACROSS = 3
WIDTH = 11.0  # inches, at the most


def caption(facts: Facts) -> str:
    """What the picture shows."""
    shown, all_of = len(facts.leading(MOST)), len(facts.at_most_shots())
    rest = f' The best {MOST} and the baselines of {all_of} methods.' if shown < all_of else ''
    return (
        f'At {shots_text(facts.material.most)}, slides, all runs of a method added up. Colour and first '
        'number: share of the true class; below, the count (each evaluation slide once per run).'
        + rest
    )


def draw(facts: Facts) -> Figure | None:
    """One matrix per method, rows the truth."""
    methods = facts.leading(MOST)
    names = class_names(facts)
    size = max(2.9, 0.55 * len(names) + 1.3)
    across = max(1, min(ACROSS, int(WIDTH / size)))
    columns = 2 if len(methods) == 4 and across > 1 else min(across, len(methods))
    rows = math.ceil(len(methods) / columns)
    figure = new_figure(size * columns + 0.6, (size + 0.25) * rows)
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for ax in axes[len(methods) :]:
        ax.set_axis_off()
    styles = looks(facts)
    for number, (method, runs) in enumerate(methods.items()):
        tables = [run.tables[MAIN_LEVEL] for run in runs]
        counts = np.zeros((len(names), len(names)), dtype=np.int64)
        for table in tables:
            np.add.at(counts, (table.labels, table.predicted), 1)
        title = f'{styles[method].label} ({counted(len(runs), "run")})'
        _matrix(axes[number], counts, names, title, first=number % columns == 0)
    return figure


def _matrix(ax: Axes, counts: np.ndarray, names: list[str], title: str, first: bool) -> None:
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    ax.imshow(share, cmap='Blues', vmin=0, vmax=1)
    ax.set_title(title, fontsize=TEXT + 1, parse_math=False)
    ax.set_xticks(range(len(names)), names, fontsize=TEXT, parse_math=False)
    ax.set_yticks(range(len(names)), names if first else [], fontsize=TEXT, parse_math=False)
    if max(map(len, names)) > 6 or len(names) > 5:
        for tick in ax.get_xticklabels():
            tick.set(rotation=40, ha='right', rotation_mode='anchor')
    ax.tick_params(length=0)
    ax.set_xlabel('predicted', fontsize=TEXT)
    if first:
        ax.set_ylabel('truth', fontsize=TEXT)
    if len(names) > 12:
        return
    size = TEXT if len(names) <= 6 else TEXT - 2
    for (row, column), count in np.ndenumerate(counts):
        color = 'white' if share[row, column] > 0.5 else 'black'
        text = f'{share[row, column]:.2f}\n{count:,}'
        ax.text(column, row, text, ha='center', va='center', color=color, fontsize=size)
