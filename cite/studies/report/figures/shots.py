"""Accuracy against labelled slides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cite.studies.report.facts import counted
from cite.studies.report.figures.style import (
    METRIC_NAMES,
    Look,
    legend_below,
    looks,
    new_figure,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cite.studies.report.facts import Facts

NAME, TITLE = 'shots', 'Accuracy against labelled slides'
PANELS = ('balanced_accuracy', 'auroc')
BANDS_UP_TO = 5  # methods; more bands hide each other, the bars beside each other do not


def caption(facts: Facts) -> str:
    """What the picture shows."""
    material = facts.material
    return (
        f'Mean over runs at slide level with 95 % intervals ({facts.units} evaluation slides, '
        f'{counted(len(material.study.split_seeds), "draw")} of training slides × '
        f'{counted(len(material.study.seeds), "training seed")} at the most). Baselines '
        'without a model are grey and dashed; their intervals are in summary.csv. Dotted: chance.'
    )


def draw(facts: Facts) -> Figure | None:
    """Balanced accuracy and AUROC, each method a line."""
    figure = new_figure(9.6, 4.1)
    axes = figure.subplots(1, 2)
    places = positions(facts.material.shots)
    chance = {'balanced_accuracy': 1 / len(facts.material.classes), 'auroc': 0.5}
    styles = looks(facts)
    models = [name for name in facts.material.methods if not facts.material.baseline(name)]
    for ax, metric in zip(axes, PANELS, strict=True):
        for method in facts.material.methods:
            number = models.index(method) - (len(models) - 1) / 2 if method in models else None
            _line(ax, facts, method, metric, places, styles[method], number, len(models))
        ax.axhline(chance[metric], color='#888888', linewidth=0.9, linestyle=':')
        plain(ax, 'training slides per class, k', f'{METRIC_NAMES[metric]}, {facts.units} slides')
        ax.set_xticks(list(places.values()), list(places))
        ax.set_xlim(min(places.values()) - 0.35, max(places.values()) + 0.35)
        ax.margins(y=0.06)
        if ax.get_ylim()[1] > 1:
            ax.set_ylim(top=1.01)
    legend_below(figure, axes[0])
    return figure


def positions(shots: list[str]) -> dict[str, float]:
    """Shots → place on the axis: log2 of their number, 'all' one step behind the last."""
    found: dict[str, float] = {k: float(np.log2(int(k))) for k in shots if k != 'all'}
    if 'all' in shots:
        found['all'] = max(found.values(), default=-1.0) + 1
    return found


def _line(
    ax: Axes,
    facts: Facts,
    method: str,
    metric: str,
    places: dict[str, float],
    look: Look,
    number: float | None,
    models: int,
) -> None:
    cells = [(places[k], facts.summary.of(method, k, metric)) for k in places]
    points = [(x, cell) for x, cell in cells if cell is not None]
    if not points:
        return
    shift = 0.0
    style: dict[str, Any] = {**look.line, 'marker': look.marker, 'markersize': 5, 'linewidth': 1.6}
    if number is not None:
        shift = number * min(0.06, 0.35 / models)
    x = np.array([place for place, _ in points]) + shift
    mean = np.array([cell.mean for _, cell in points])
    ax.plot(x, mean, **style)
    if number is None:
        return
    low = np.array([np.nan if cell.low is None else cell.low for _, cell in points])
    high = np.array([np.nan if cell.high is None else cell.high for _, cell in points])
    ax.vlines(x, low, high, color=look.color, linewidth=1.0)
    if models <= BANDS_UP_TO and len(points) > 1:
        ax.fill_between(x, low, high, color=look.color, alpha=0.07, linewidth=0)
