"""One-vs-rest curves of all classes, a panel each: what ROC and precision–recall pictures share."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cite.evaluation.predictions import Predictions
from cite.studies.report.facts import shots_text
from cite.studies.report.figures.style import class_names, legend_below, looks, new_figure, plain
from cite.studies.report.gather import MAIN_LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cite.studies.report.facts import Facts

MOST = 6
GRID = np.linspace(0, 1, 201)
Curve = Callable[[NDArray[np.bool_], NDArray[np.float32]], NDArray[np.float64]]
"""Truth and score of one class → the curve's height at `GRID`."""


def draw_panels(
    facts: Facts, curve: Curve, x: str, y: str, chance: Callable[[Axes, float], object]
) -> Figure | None:
    """A panel per class; the mean over runs is a line, lowest to highest run a band."""
    methods = facts.leading(MOST)
    table = next(iter(methods.values()))[0].tables[MAIN_LEVEL]
    shown = classes_shown(table)
    if not shown:
        return None
    columns = min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    figure = new_figure(3.3 * columns + 0.3, 3.3 * rows + 0.3)
    axes = np.ravel(figure.subplots(rows, columns, squeeze=False))
    for ax in axes[len(shown) :]:
        ax.set_axis_off()
    names = class_names(facts)
    styles = looks(facts)
    for number, index in enumerate(shown):
        ax = axes[number]
        positives = int((table.labels == index).sum())
        chance(ax, positives / len(table))
        for method, runs in methods.items():
            heights = np.array([_height(run.tables[MAIN_LEVEL], index, curve) for run in runs])
            look = styles[method]
            ax.plot(GRID, heights.mean(axis=0), linewidth=1.5, **look.line)
            if not facts.material.baseline(method):
                low, high = heights.min(axis=0), heights.max(axis=0)
                ax.fill_between(GRID, low, high, color=look.color, alpha=0.09, linewidth=0)
        title = f'{names[index]} (n = {positives} of {len(table)})'
        plain(ax, x, y if number % columns == 0 else '', title)
        ax.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.02), box_aspect=1)
    legend_below(figure, axes[0])
    return figure


def classes_shown(table: Predictions) -> list[int]:
    """Classes with slides of their own and of others; of two classes the second, as is the custom."""
    counts = np.bincount(table.labels, minlength=len(table.classes))
    classes = [1] if len(table.classes) == 2 else range(len(table.classes))
    return [index for index in classes if 0 < counts[index] < len(table)]


def common_caption(facts: Facts) -> str:
    """What both pictures say."""
    shown, all_of = len(facts.leading(MOST)), len(facts.at_most_shots())
    rest = f' The best {MOST} and the baselines of {all_of} methods.' if shown < all_of else ''
    return (
        f'One class against the rest, slides, at {shots_text(facts.material.most)}: mean over runs, band '
        f'from the lowest to the highest run (no confidence interval).{rest}'
    )


def _height(table: Predictions, index: int, curve: Curve) -> NDArray[np.float64]:
    return curve(table.labels == index, table.probabilities[:, index])
