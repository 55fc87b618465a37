"""Risk against coverage: what is gained by leaving the least certain slides to a pathologist."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cite.studies.report import numbers
from cite.studies.report.facts import shots_text
from cite.studies.report.figures.style import legend_below, looks, new_figure, plain
from cite.studies.report.gather import MAIN_LEVEL

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cite.studies.report.facts import Facts

NAME, TITLE = 'risk_coverage', 'Selective prediction'
MOST = 6
GRID = np.linspace(0.05, 1, 96)


def caption(facts: Facts) -> str:
    """What the picture shows."""
    shown, all_of = len(facts.leading(MOST)), len(facts.at_most_shots())
    rest = f' The best {MOST} and the baselines of {all_of} methods.' if shown < all_of else ''
    return (
        f'At {shots_text(facts.material.most)}: error among the slides that are kept when the least '
        'certain ones are left out, by the probability of the predicted class; mean over runs, band from '
        f'the lowest to the highest run. Coverage below 0.05 is not drawn.{rest}'
    )


def draw(facts: Facts) -> Figure | None:
    """One panel, each method a line."""
    figure = new_figure(6.4, 4.3)
    ax = figure.subplots()
    styles = looks(facts)
    for method, runs in facts.leading(MOST).items():
        risks = np.array([numbers.risk_at(run.tables[MAIN_LEVEL], GRID) for run in runs])
        look = styles[method]
        ax.plot(GRID, risks.mean(axis=0), linewidth=1.6, **look.line)
        if not facts.material.baseline(method):
            low, high = risks.min(axis=0), risks.max(axis=0)
            ax.fill_between(GRID, low, high, color=look.color, alpha=0.09, linewidth=0)
    plain(ax, 'coverage: share of slides kept', f'error among slides kept (of {facts.units})')
    ax.set_xlim(0, 1.0)
    ax.set_ylim(bottom=0)
    legend_below(figure, ax, columns=3)
    return figure
