"""The pictures of a probing page: score against regularisation, confusion, score against shots."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.atomic import replacing
from cite.experiments.names import short_names
from cite.experiments.picture import BLUE, GREEN, GREY, ORANGE, TEXT, VERMILION, draw_confusion
from cite.probing.protocols import Protocol
from cite.probing.run import Probed

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS, MARKS = (BLUE, VERMILION, GREEN, ORANGE), ('o', 's', '^', 'D')
DPI = 150
METRIC_NAMES = {
    'balanced_accuracy': 'balanced accuracy',
    'accuracy': 'accuracy',
    'macro_f1': 'macro F1',
}
AXES = {
    'C': 'C (to the left: stronger regularisation)',
    'alpha': 'alpha (to the right: stronger regularisation)',
    'epoch': 'epochs of training',
}


def draw_choice(probed: Sequence[Probed], protocol: Protocol, path: Path) -> None:
    """Validation score over the values that were tried; the chosen one is marked."""
    figure = new_figure(7.0, 3.4)
    ax = figure.subplots()
    for number, one in enumerate(probed):
        colour = COLOURS[number % len(COLOURS)]
        at = [tried.value for tried in one.choice.tried]
        scores = [tried.score for tried in one.choice.tried]
        many = len(at) > 40
        ax.plot(
            at,
            scores,
            color=colour,
            linewidth=1.2,
            marker=None if many else MARKS[number % len(MARKS)],
            markersize=4,
        )
        label = f'{one.name}: {one.choice.value:g} chosen'
        ax.plot(
            [one.choice.value],
            [one.choice.score],
            color=colour,
            marker='*',
            markersize=13,
            linestyle='none',
            markeredgecolor='white',
            label=label,
        )
        late = [(tried.value, tried.score) for tried in one.choice.tried if not tried.converged]
        if late:
            ax.plot(*zip(*late, strict=True), linestyle='none', marker='x', color=GREY, ms=7)
    if protocol.varied != 'epoch':
        ax.set_xscale('log')
    name = METRIC_NAMES[protocol.score]
    _plain(ax, AXES[protocol.varied], f'{name}, validation patches')
    _legend(figure, ax)
    save(figure, path)


def draw_matrices(probed: Sequence[Probed], metrics: Sequence[dict[str, Any]], path: Path) -> None:
    """Confusion matrices of patches, a model beside the other."""
    names = matrix_names(probed[0].predictions.classes)
    side = max(3.2, 1.2 + 0.34 * len(names))
    figure = new_figure(0.6 + side * len(probed), side + 0.75)
    found = figure.subplots(1, len(probed), squeeze=False)[0]
    for number, (ax, one, metric) in enumerate(zip(found, probed, metrics, strict=True)):
        draw_confusion(ax, metric['patch'], names, 'patch', truth=number == 0)
        title = f'{one.name}\nn = {metric["patch"]["n"]:,} patches'
        ax.set_title(title, fontsize=TEXT + 1, parse_math=False)
    save(figure, path)


def matrix_names(classes: Sequence[str]) -> list[str]:
    """Classes as the matrices call them."""
    return short_names(list(classes), 16)


def draw_shots(
    rows: Sequence[dict[str, Any]],
    full: dict[str, float],
    path: Path,
    level: str = 'slide',
    metric: str = 'balanced_accuracy',
) -> None:
    """Score over slides per class: mean of the draws with its interval, each draw as a dot."""
    figure = new_figure(7.0, 3.6)
    ax = figure.subplots()
    models = list(dict.fromkeys(row['model'] for row in rows))
    ticks = sorted({row['shots'] for row in rows})
    for number, name in enumerate(models):
        own = [
            row
            for row in rows
            if (row['model'], row['level'], row['metric']) == (name, level, metric)
        ]
        own.sort(key=lambda row: row['shots'])
        colour, shift = COLOURS[number % len(COLOURS)], 1.08**number
        at = [row['shots'] * shift for row in own]
        means = [row['mean'] for row in own]
        reach = [
            [max(row['mean'] - row['low'], 0) for row in own],
            [max(row['high'] - row['mean'], 0) for row in own],
        ]
        ax.errorbar(
            at,
            means,
            yerr=reach,
            color=colour,
            marker=MARKS[number % len(MARKS)],
            markersize=5,
            linewidth=1.3,
            capsize=2.5,
            label=name,
        )
        for place, row in zip(at, own, strict=True):
            ax.plot(
                [place * 1.03] * len(row['draws']), row['draws'], '.', color=colour, ms=3, alpha=0.5
            )
        if name in full:
            ax.axhline(full[name], color=colour, linewidth=1, linestyle=(0, (4, 3)))
    ax.set_xscale('log', base=2)
    ax.set_xticks(ticks, [str(k) for k in ticks])
    ax.minorticks_off()
    _plain(ax, 'training slides per class', f'{METRIC_NAMES[metric]}, {level} level')
    _legend(figure, ax)
    save(figure, path)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure, in inches, laid out so that nothing overlaps."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor='white', layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, path: Path) -> None:
    """As PNG; the same figure gives the same bytes."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png', metadata={'Software': None})


def _plain(ax: Axes, x: str, y: str) -> None:
    ax.set_xlabel(x, fontsize=TEXT)
    ax.set_ylabel(y, fontsize=TEXT)
    ax.tick_params(labelsize=TEXT)
    ax.grid(color='#E4E4E4', linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[['top', 'right']].set_visible(False)


def _legend(figure: Figure, ax: Axes) -> None:
    handles, labels = ax.get_legend_handles_labels()
    found = figure.legend(
        handles, labels, loc='outside lower center', ncols=3, fontsize=TEXT, frameon=False
    )
    for text in found.get_texts():
        text.set_parse_math(False)
