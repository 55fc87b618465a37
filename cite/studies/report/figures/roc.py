"""ROC curves."""

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

NAME, TITLE = 'roc', 'ROC curves'


def caption(facts: Facts) -> str:
    """What the picture shows."""
    return common_caption(facts) + ' Diagonal: chance.'


def draw(facts: Facts) -> Figure | None:
    """A panel per class."""
    return draw_panels(facts, roc, 'false positive rate', 'true positive rate', _chance)


def roc(positive: NDArray[np.bool_], score: NDArray[np.float32]) -> NDArray[np.float64]:
    """True positive rate at false positive rates `GRID`, linear between thresholds."""
    from sklearn.metrics import roc_curve

    false, true, _ = roc_curve(positive, score)
    height = np.interp(GRID, false, true)
    height[0] = 0.0  # the curve starts in the corner, however high it rises there
    return height


def _chance(ax: Axes, prevalence: float) -> None:
    ax.plot([0, 1], [0, 1], color=GREY, linewidth=0.8, linestyle=':')
