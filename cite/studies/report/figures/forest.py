"""Paired differences to the reference method."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cite.studies.report.facts import shots_text
from cite.studies.report.figures.style import GREY, SMALL, TEXT, looks, new_figure, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cite.studies.report.facts import Facts

NAME, TITLE = 'differences', 'Paired differences'


def caption(facts: Facts) -> str:
    """What the picture shows."""
    return (
        f'Balanced accuracy at slide level: each method minus {facts.summary.reference}, on the same '
        'slides and the same draws of training slides, with 95 % intervals (of each difference by itself). '
        "Filled: p < 0.05 after Holm's adjustment for all comparisons at these shots; hollow: not "
        'distinguishable.'
    )


def draw(facts: Facts) -> Figure | None:
    """One row per method, a panel per shots: the smallest and the largest."""
    from matplotlib.ticker import MaxNLocator

    comparisons = facts.summary.comparisons
    if not comparisons:
        return None
    methods = list(dict.fromkeys(one.method for one in comparisons))
    shots = [k for k in facts.material.shots if any(one.shots == k for one in comparisons)]
    shots = list(dict.fromkeys([shots[0], shots[-1]]))
    figure = new_figure(4.9 * len(shots) + 1.2, 0.36 * len(methods) + 1.5)
    axes = np.ravel(figure.subplots(1, len(shots), squeeze=False, sharey=True))
    styles = looks(facts)
    for ax, k in zip(axes, shots, strict=True):
        here = {one.method: one for one in comparisons if one.shots == k}
        ax.axvline(0, color=GREY, linewidth=0.9)
        for row, method in enumerate(methods):
            if method not in here:
                continue
            one, color = here[method], styles[method].color
            ax.hlines(row, one.low, one.high, color=color, linewidth=1.8)
            ax.plot(
                one.difference,
                row,
                marker=styles[method].marker,
                markersize=7,
                color=color,
                markerfacecolor=color if one.p_holm < 0.05 else 'white',
            )
            text = f'{one.difference:+.3f},  p {p_text(one.p_holm)}'.replace('-', '−')
            ax.annotate(
                text,
                (1.01, row),
                xycoords=('axes fraction', 'data'),
                va='center',
                fontsize=SMALL,
                annotation_clip=False,
            )
        pairs = sorted({one.draws for one in here.values()})
        count = str(pairs[0]) if len(pairs) == 1 else f'{pairs[0]}–{pairs[-1]}'
        title = f'{shots_text(k)} ({count} draws, n = {facts.units} slides)'
        reference = styles[facts.summary.reference].label
        plain(ax, f'balanced accuracy minus that of {reference}', '', title)
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10]))
        ax.annotate(
            'difference, p (Holm)',
            (1.01, -0.6),
            xycoords=('axes fraction', 'data'),
            va='center',
            fontsize=SMALL,
            color=GREY,
            annotation_clip=False,
        )
        ax.set_yticks(range(len(methods)), [styles[name].label for name in methods])
        ax.set_ylim(len(methods) - 0.4, -0.6)
        ax.grid(axis='y', visible=False)
        for label in [*ax.get_yticklabels(), ax.xaxis.label]:
            label.set(parse_math=False, fontsize=TEXT)
    return figure


def p_text(p: float) -> str:
    """'= 0.032', '< 0.001'."""
    return '< 0.001' if p < 0.001 else f'= {p:.3f}'
