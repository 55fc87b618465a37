"""The figures of a zero-shot run: what each template gives, what is taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cite.atomic import replacing
from cite.experiments.names import short_names
from cite.experiments.picture import BLUE, GREY, TEXT, VERMILION, draw_confusion
from cite.zeroshot.findings import Findings
from cite.zeroshot.templates import TemplateRow

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
MOST_CLASSES = 60
"""More make a matrix of which nothing can be read."""
MOST_NAMED = 100
"""Templates that are written beside their dots."""
TEMPLATE_LENGTH, CLASS_LENGTH = 64, 18  # characters


def draw_templates(found: Findings) -> Figure | None:
    """A dot per template, best first, the ensemble as a line; None where there is one template.

    Balanced accuracy of patches, with what guessing gives; without labels the agreement with the ensemble.
    """
    rows = [row for row in found.templates if not row.is_ensemble]
    if len(rows) < 2:
        return None
    ensemble = found.templates[-1]
    rows = sorted(rows, key=_value)
    named = len(rows) <= MOST_NAMED
    low, high = _range([_value(row) for row in found.templates])
    figure = _figure(8.6, 1.2 + 0.2 * len(rows) if named else 6.0)
    ax = figure.subplots()
    places = range(len(rows))
    ax.plot([_value(row) for row in rows], places, 'o', color=BLUE, markersize=5)
    ax.set_yticks(places if named else [], _labels(rows) if named else [], parse_math=False)
    ax.set_ylim(-0.7, len(rows) - 0.3)
    if found.metrics:
        ax.axvline(_value(ensemble), color=VERMILION, linewidth=1.4, label='all templates')
        # whoever guesses is right in one of C, whatever the classes' sizes
        chance = 1 / len(found.scores.classes)
        if low <= chance <= high:
            ax.axvline(chance, color=GREY, linewidth=1, linestyle=':', label='guessing')
        ax.legend(fontsize=TEXT, frameon=False, loc='lower right', bbox_to_anchor=(1, 1), ncols=2)
        level = 'images' if found.level == 'image' else 'patches'
        ax.set_xlabel(f'balanced accuracy of {level}', fontsize=TEXT)
    else:
        ax.set_xlabel('share of images with the class that all templates give', fontsize=TEXT)
    ax.set_xlim(low, high)
    ax.tick_params(labelsize=TEXT)
    ax.grid(axis='x', color='#E4E4E4', linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[['top', 'right']].set_visible(False)
    return figure


def draw_matrices(found: Findings) -> Figure | None:
    """Confusion matrices of patches and slides; None without labels or with very many classes."""
    names = found.scores.classes.names
    levels = [level for level in ('patch', 'slide') if level in found.metrics]
    if not levels or len(names) > MOST_CLASSES:
        return None
    short = short_names(names, CLASS_LENGTH)
    side = min(9.0, 2.6 + 0.32 * len(names))
    figure = _figure(0.6 + side * len(levels), side)
    axes = figure.subplots(1, len(levels), squeeze=False)[0]
    for ax, level in zip(axes, levels, strict=True):
        called = found.level if level == 'patch' else level
        draw_confusion(ax, found.metrics[level], short, called, truth=ax is axes[0])
    return figure


def save(figure: Figure, path: Path) -> None:
    """As PNG; the same figure gives the same bytes."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png', metadata={'Software': None})


def _value(row: TemplateRow) -> float:
    return (row.metrics['balanced_accuracy'] or 0.0) if row.metrics else row.agreement


def _range(values: Sequence[float]) -> tuple[float, float]:
    """An axis on which the values can be told apart, and no small difference looks large: 0.3 or wider."""
    middle = (min(values) + max(values)) / 2
    half = max(0.15, 0.6 * (max(values) - min(values)))
    return max(-0.02, middle - half), min(1.02, middle + half)


def _labels(rows: Sequence[TemplateRow]) -> list[str]:
    return [
        row.template
        if len(row.template) <= TEMPLATE_LENGTH
        else f'{row.template[: TEMPLATE_LENGTH - 1]}…'
        for row in rows
    ]


def _figure(width: float, height: float) -> Figure:
    """In inches, laid out so that nothing overlaps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor='white', layout='constrained')
    FigureCanvasAgg(figure)
    return figure
