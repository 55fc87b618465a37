"""Reliability diagrams, before and after temperature scaling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cite.studies.report import numbers
from cite.studies.report.facts import shots_text
from cite.studies.report.figures.style import (
    GREY,
    SMALL,
    VERMILION,
    legend_below,
    looks,
    new_figure,
    plain,
)
from cite.studies.report.gather import MAIN_LEVEL

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cite.evaluation.predictions import Predictions
    from cite.studies.report.facts import Facts
    from cite.studies.report.gather import Run

NAME, TITLE = 'reliability', 'Reliability diagrams'
MOST, ACROSS = 6, 4
BEFORE, AFTER = VERMILION, '#0072B2'
FEW = 10  # slides in a bin, over all runs


def caption(facts: Facts) -> str:
    """What the picture shows."""
    shown, all_of = len(facts.leading(MOST)), len(facts.at_most_shots())
    rest = f' The best {MOST} and the baselines of {all_of} methods.' if shown < all_of else ''
    return (
        f'At {shots_text(facts.material.most)}: share of slides that are right against the probability of '
        'the predicted class, in ten bins, all runs together, before (squares) and after (circles) '
        'temperature scaling on held-out training slides. In the titles, the expected calibration error '
        'before → after (15 bins, mean over runs). On the diagonal a probability means what it '
        f'says. Hollow marks: bins of less than {FEW} slides. Below, how many are in each '
        f'bin.{rest}'
    )


def draw(facts: Facts) -> Figure | None:
    """A diagram per method with its histogram below."""
    methods = facts.leading(MOST)
    columns = min(ACROSS, len(methods))
    rows = -(-len(methods) // columns)
    figure = new_figure(2.55 * columns + 0.4, 3.9 * rows + 0.2)
    axes = figure.subplots(
        2 * rows, columns, squeeze=False, height_ratios=[3, 1] * rows, sharex=True
    )
    styles = looks(facts)
    for number in range(rows * columns):
        upper, lower = axes[2 * (number // columns) : 2 * (number // columns) + 2, number % columns]
        if number >= len(methods):
            upper.set_axis_off()
            lower.set_axis_off()
            continue
        method = list(methods)[number]
        errors = _diagram(upper, lower, methods[method])
        first = number % columns == 0
        plain(
            upper, '', 'share of slides right' if first else '', f'{styles[method].label}\n{errors}'
        )
        plain(lower, 'probability of the prediction', 'slides × runs' if first else '')
        lower.tick_params(labelsize=SMALL, labelbottom=True)
        upper.set(xlim=(0, 1.02), ylim=(-0.02, 1.02))
    legend_below(figure, _fullest(axes))
    return figure


def _diagram(upper: Axes, lower: Axes, runs: list[Run]) -> str:
    """Draws a method; its calibration errors, as text."""
    upper.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=':')
    scaled = [run.calibrated[MAIN_LEVEL] for run in runs if MAIN_LEVEL in run.calibrated]
    series: list[tuple[str, list[Predictions], str, str, Any]] = [
        ('before', [run.tables[MAIN_LEVEL] for run in runs], BEFORE, 's', (0, (4, 2)))
    ]
    if scaled:
        series.append(('after temperature scaling', scaled, AFTER, 'o', '-'))
    texts = []
    for name, tables, color, marker, dash in series:
        bins = numbers.reliability(tables)
        there = bins.count > 0
        x, y = bins.confidence[there], bins.accuracy[there]
        upper.plot(x, y, color=color, linestyle=dash, linewidth=1.2)
        faces = ['white' if count < FEW else color for count in bins.count[there]]
        upper.scatter(x, y, c=faces, edgecolors=color, marker=marker, s=24, zorder=3)
        upper.plot([], [], color=color, linestyle=dash, marker=marker, markersize=5, label=name)
        lower.stairs(bins.count, bins.edges, color=color, linestyle=dash, linewidth=1.2)
        column = 'ece' if name == 'before' else 'ece_calibrated'
        values = [run.metrics[MAIN_LEVEL][column] for run in runs]
        known = [value for value in values if value is not None]
        if known:
            texts.append(f'{np.mean(known):.3f}')
    return f'ECE {" → ".join(texts)}'


def _fullest(axes: np.ndarray) -> Axes:
    found: Axes = max(np.ravel(axes), key=lambda ax: len(ax.get_legend_handles_labels()[0]))
    return found
