"""The picture of a suite: a dot per data set, grouped by modality."""

from __future__ import annotations

from pathlib import Path

from cite.atomic import replacing
from cite.zeroshot.suite.result import SuiteResult, percent

COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9')
"""Okabe and Ito; each modality has a block of its own besides, so nothing depends on them."""
GREY = '#555555'
INCHES_PER_ROW = 0.3


def write_figure(result: SuiteResult, path: Path) -> None:
    """Draws the data sets that have a value, with intervals, majority shares and means of modalities."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    blocks = [own for own in result.averages if own.scored]
    height = 1.3 + INCHES_PER_ROW * (result.overall.scored + 1.6 * len(blocks))
    figure = Figure(figsize=(8, height), dpi=150, facecolor='white', layout='constrained')
    axes = figure.add_subplot()
    ticks: list[float] = []
    names: list[str] = []
    at = 0.0
    for number, own in enumerate(blocks):
        colour = COLOURS[number % len(COLOURS)]
        title = f'{own.modality}: mean {percent(own.value)} of {own.of} data sets'
        axes.text(0, at, title, color=colour, fontsize=8.5, fontweight='bold', parse_math=False)
        first = at + 1
        for one in result.sets:
            if one.modality != own.modality or one.value is None:
                continue
            at += 1
            ticks.append(at)
            names.append(one.title)
            if one.interval is not None:
                ends = [100 * end for end in one.interval]
                axes.plot(ends, [at, at], color=colour, linewidth=1.2)
            axes.plot(100 * one.value, at, 'o', color=colour, markersize=6)
            if one.majority is not None and one.metric == 'accuracy':
                axes.plot(100 * one.majority, at, 'x', color=GREY, markersize=5)
        if own.value is not None:
            axes.plot(
                [100 * own.value] * 2, [first - 0.4, at + 0.4], color=colour, linewidth=1, ls='--'
            )
        at += 1.6
    axes.set_yticks(ticks, names, fontsize=8.5)
    for label in axes.get_yticklabels():
        label.set_parse_math(False)
    axes.set_ylim(at - 0.6, -0.8)
    axes.set_xlim(-2, 102)
    axes.set_xlabel('% (x: share of the most frequent class)', fontsize=8.5)
    axes.grid(axis='x', color='#DDDDDD', linewidth=0.6)
    axes.tick_params(axis='x', labelsize=8.5)
    for side in ('top', 'right', 'left'):
        axes.spines[side].set_visible(False)
    axes.set_axisbelow(True)
    axes.set_title(
        f'{result.model}, zero-shot on {result.suite}', fontsize=10, loc='left', parse_math=False
    )
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png')
