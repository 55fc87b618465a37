"""Precision–recall curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cite.studies.report.figures.class_curves import GRID, common_caption, draw_panels
from cite.studies.report.figures.style import GREY

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cite.studies.report.facts import Facts

NAME, TITLE = 'precision_recall', 'Precision–recall curves'


def caption(facts: Facts) -> str:
    """What the picture shows."""
    return common_caption(facts) + ' Dotted line: prevalence of the class, which is chance.'


def draw(facts: Facts) -> Figure | None:
    """A panel per class."""
    return draw_panels(facts, precision_at, 'recall', 'precision', _chance)


def precision_at(positive: NDArray[np.bool_], score: NDArray[np.float32]) -> NDArray[np.float64]:
    """Precision at recalls `GRID`: of the highest threshold that reaches the recall.

    Steps, since a straight line between two points is too good (Davis and Goadrich, ICML 2006).
    """
    from sklearn.metrics import precision_recall_curve

    precision, recall, _ = precision_recall_curve(positive, score)
    # sklearn gives falling recall, ends with a point of no threshold (recall 0, precision 1)
    precision, recall = precision[-2::-1], recall[-2::-1]
    at = np.searchsorted(recall, GRID - 1e-12)
    return np.asarray(precision[np.minimum(at, len(precision) - 1)], dtype=np.float64)


def _chance(ax: Axes, prevalence: float) -> None:
    ax.axhline(prevalence, color=GREY, linewidth=0.8, linestyle=':')
