"""Accuracy against what it takes: weights, seconds, memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cite.studies.report.facts import shots_text
from cite.studies.report.figures.style import GREY, TEXT, legend_below, looks, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cite.studies.report.facts import Facts
    from cite.studies.report.gather import Run

NAME, TITLE = 'cost', 'Accuracy against what it takes'
PANELS = (
    ('trained parameters', 'trained_parameters'),
    ('seconds per run (choosing and training)', 'seconds'),
    ('peak memory, MiB', 'peak_memory_mb'),
)


def caption(facts: Facts) -> str:
    """What the picture shows."""
    return (
        f'At {shots_text(facts.material.most)}: mean balanced accuracy at slide level with 95 % intervals '
        'against medians over runs, on logarithmic axes. Memory is of the GPU where there is one. Seconds '
        'depend on the machine, and on what was computed before and kept. What trains no weights is left '
        'out of the first panel.'
    )


def draw(facts: Facts) -> Figure | None:
    """Three panels with one y axis."""
    figure = new_figure(10.4, 3.9)
    axes = figure.subplots(1, 3, sharey=True)
    styles = looks(facts)
    drawn = False
    for ax, (title, what) in zip(axes, PANELS, strict=True):
        ax.set_xscale('log')
        here = False
        for method, runs in facts.at_most_shots().items():
            cell = facts.summary.of(method, facts.material.most)
            x = median(runs, what)
            if cell is None or x is None or x <= 0:
                continue
            here = drawn = True
            look = styles[method]
            if cell.low is not None and cell.high is not None:
                ax.vlines(x, cell.low, cell.high, color=look.color, linewidth=1.2)
            hollow = facts.material.baseline(method)
            ax.plot(
                x,
                cell.mean,
                linestyle='none',
                marker=look.marker,
                color=look.color,
                markerfacecolor='white' if hollow else look.color,
                markersize=8,
                label=look.label,
            )
        ax.margins(x=0.15)
        if not here:
            ax.text(0.5, 0.5, 'not measured', transform=ax.transAxes, ha='center', color=GREY)
            ax.set_xscale('linear')
            ax.set_xticks([])
        plain(ax, title, 'balanced accuracy, slide level' if ax is axes[0] else '')
        ax.tick_params(axis='x', which='minor', labelsize=TEXT)
        if here:
            _whole_numbers(ax)
    if not drawn:
        return None
    # baselines have no weights, so the panel with most methods gives the legend
    fullest = max(axes, key=lambda ax: len(ax.get_legend_handles_labels()[0]))
    legend_below(figure, fullest)
    return figure


def _whole_numbers(ax: Axes) -> None:
    """0.02, 500, 3k, 10M: on a short axis also between the powers of ten."""
    from matplotlib.ticker import EngFormatter, FuncFormatter, LogLocator, NullFormatter

    low, high = ax.get_xlim()
    if high < 4 * low:  # one value, or values that hardly differ
        ax.set_xlim(low := low / 2, high := high * 2)
    short = high / low < 100
    ax.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if short else (1,)))
    large = EngFormatter(sep='')
    # not 10m, which reads as ten minutes
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f'{v:g}' if v < 1 else large(v)))
    ax.xaxis.set_minor_formatter(NullFormatter())


def median(runs: list[Run], what: str) -> float | None:
    """Of 'trained_parameters', 'peak_memory_mb' or 'seconds' (choosing and training); None if unknown."""
    values = []
    for run in runs:
        assert run.record is not None  # it is done
        if what == 'seconds':
            seconds = run.record.seconds
            value = sum(seconds.get(step, 0.0) for step in ('choosing', 'training')) or None
        else:
            value = getattr(run.record, what)
        if value is not None:
            values.append(float(value))
    return float(np.median(values)) if values else None
