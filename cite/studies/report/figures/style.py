"""What all pictures of a report share: a method's look, sizes, legends, how a figure becomes a file.

Colours are those of Okabe and Ito; a method also has a mark and a dash of its own, so that nothing
depends on colour. Baselines are grey and dashed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.atomic import replacing
from cite.experiments.names import key_to_names, short_names
from cite.experiments.picture import BLUE, GREEN, GREY, ORANGE, PURPLE, SMALL, TEXT, VERMILION

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from cite.studies.report.facts import Facts

__all__ = ['GREY', 'SMALL', 'TEXT', 'VERMILION']
SKY, BLACK = '#56B4E9', '#000000'
COLOURS = (BLUE, VERMILION, GREEN, ORANGE, PURPLE, SKY, BLACK)
MARKS = ('o', 's', '^', 'D', 'v', 'P', 'X', '<', '>')
DASHES: tuple[Any, ...] = ('-', (0, (6, 2)), (0, (1, 1)))
BASELINE_DASHES: tuple[Any, ...] = ((0, (4, 3)), (0, (1, 2)))
DPI = 150
LEGEND_LINE = 0.21  # inches
NAME_LENGTH, CLASS_LENGTH = 28, 16  # characters
METRIC_NAMES = {
    'accuracy': 'accuracy',
    'balanced_accuracy': 'balanced accuracy',
    'macro_f1': 'macro F1',
    'weighted_f1': 'weighted F1',
    'auroc': 'AUROC',
    'auprc': 'AUPRC',
    'quadratic_kappa': 'quadratic κ',
    'log_loss': 'log loss',
    'ece': 'ECE',
    'classwise_ece': 'classwise ECE',
    'brier': 'Brier score',
    'aurc': 'AURC',
    'accuracy_at_80': 'accuracy at coverage 0.8',
}


@dataclass(frozen=True)
class Look:
    """How a method is drawn, the same in every picture."""

    label: str
    color: str
    marker: str
    dash: Any

    @property
    def line(self) -> dict[str, Any]:
        """Options of `Axes.plot` for a line without marks."""
        return {'color': self.color, 'linestyle': self.dash, 'label': self.label}


def looks(facts: Facts) -> dict[str, Look]:
    """Method → look, for all methods of the study, done or not."""
    methods = facts.material.study.methods
    names = short_names([method.name for method in methods], NAME_LENGTH)
    found = {}
    models = baselines = 0
    for number, (method, name) in enumerate(zip(methods, names, strict=True)):
        mark = MARKS[number % len(MARKS)]
        if method.baseline is None:
            dash = DASHES[models // len(COLOURS) % len(DASHES)]
            found[method.name] = Look(name, COLOURS[models % len(COLOURS)], mark, dash)
            models += 1
        else:
            dash = BASELINE_DASHES[baselines % len(BASELINE_DASHES)]
            found[method.name] = Look(name, GREY, mark, dash)
            baselines += 1
    return found


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, laid out so that nothing overlaps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor='white', layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def plain(ax: Axes, x: str, y: str, title: str = '') -> None:
    """Labels, sizes, a light grid, no box."""
    ax.set_xlabel(x, fontsize=TEXT)
    ax.set_ylabel(y, fontsize=TEXT)
    if title:
        ax.set_title(title, fontsize=TEXT + 1, parse_math=False)
    ax.tick_params(labelsize=TEXT)
    ax.grid(color='#E4E4E4', linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[['top', 'right']].set_visible(False)


def legend_below(figure: Figure, ax: Axes, columns: int = 5) -> None:
    """Of one axes, under the figure, which grows by it: there it hides no data."""
    handles, labels = ax.get_legend_handles_labels()
    if not handles:
        return
    lines = -(-len(handles) // columns)
    across = -(-len(handles) // lines)  # no line of one behind a full one
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + LEGEND_LINE * lines)
    found = figure.legend(
        handles,
        labels,
        loc='outside lower center',
        ncols=across,
        fontsize=TEXT,
        frameon=False,
        handlelength=3.2,
    )
    for text in found.get_texts():
        text.set_parse_math(False)


def save(figure: Figure, path: Path) -> None:
    """As PNG; the same figure gives the same bytes."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png', metadata={'Software': None})


def class_names(facts: Facts) -> list[str]:
    """Class names short enough for ticks and titles."""
    return short_names(facts.material.classes, CLASS_LENGTH)


def key_to(facts: Facts) -> str:
    """What shortened names of methods and classes stand for, as a sentence; '' where none is."""
    methods = [method.name for method in facts.material.study.methods]
    parts = [
        key_to_names(methods, short_names(methods, NAME_LENGTH)),
        key_to_names(facts.material.classes, class_names(facts)),
    ]
    text = '; '.join(part for part in parts if part)
    return f'Names in the figures: {text}.' if text else ''
