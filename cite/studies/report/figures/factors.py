"""Levels of a grid's factors against shots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cite.studies.report.figures.style import GREY, SMALL, TEXT, new_figure
from cite.studies.report.table import factors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cite.studies.report.facts import Facts

NAME, TITLE = 'factors', 'Factors of the grid'


def caption(facts: Facts) -> str:
    """What the picture shows."""
    return (
        'Balanced accuracy at slide level, mean over the methods of a level and their runs; in brackets, '
        'methods. Levels are averaged over whatever else differs between those methods: a level is '
        'comparable with another as far as the grid is complete.'
    )


def draw(facts: Facts) -> Figure | None:
    """A heat map per factor, rows its levels, columns the shots; None where no factor has two levels."""
    found = {name: averages(facts, name) for name in factors(facts.material)}
    found = {name: levels for name, levels in found.items() if len(levels) > 1}
    if not found:
        return None
    shots = facts.material.shots
    values = np.concatenate([row for levels in found.values() for row, _ in levels.values()])
    low, high = np.nanmin(values), np.nanmax(values)
    heights = [len(levels) for levels in found.values()]
    figure = new_figure(2.9 + 0.75 * len(shots), 0.36 * sum(heights) + 0.95 * len(heights) + 0.3)
    axes = np.ravel(figure.subplots(len(found), 1, squeeze=False, height_ratios=heights))
    for ax, (name, levels) in zip(axes, found.items(), strict=True):
        grid = np.array([row for row, _ in levels.values()])
        ax.imshow(grid, cmap='cividis', vmin=low, vmax=high, aspect='auto')
        ax.set_xticks(range(len(shots)), shots, fontsize=TEXT)
        names = [f'{level} ({count})' for level, (_, count) in levels.items()]
        ax.set_yticks(range(len(names)), names, fontsize=TEXT, parse_math=False)
        ax.set_title(f'{name}: balanced accuracy', fontsize=TEXT + 1, loc='left', parse_math=False)
        ax.tick_params(length=0)
        for (row, column), value in np.ndenumerate(grid):
            if np.isnan(value):
                ax.text(column, row, '–', ha='center', va='center', fontsize=SMALL, color=GREY)
                continue
            light = high > low and (value - low) / (high - low) > 0.55
            color = 'black' if light else 'white'
            ax.text(
                column, row, f'{value:.3f}', ha='center', va='center', fontsize=TEXT, color=color
            )
    axes[-1].set_xlabel('training slides per class, k', fontsize=TEXT)
    return figure


def averages(facts: Facts, factor: str) -> dict[str, tuple[np.ndarray, int]]:
    """Level → mean at each shots (NaN where nothing is done) and how many methods have it."""
    members: dict[str, list[str]] = {}
    for method in facts.material.study.methods:
        if factor in method.factors and method.name in facts.material.methods:
            members.setdefault(method.factors[factor], []).append(method.name)
    found = {}
    for level, methods in members.items():
        row = []
        for shots in facts.material.shots:
            cells = [facts.summary.of(name, shots) for name in methods]
            means = [cell.mean for cell in cells if cell is not None]
            row.append(float(np.mean(means)) if means else np.nan)
        found[level] = (np.array(row), len(methods))
    return found
