"""Pictures of the page: how many rows pass, what was dropped, how scores lie about their threshold."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cite.atomic import replacing
from cite.experiments.picture import BLUE, GREEN, GREY, TEXT, VERMILION

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from cite.quality.run import Outcome, Step

DPI, WIDTH = 150, 7.5  # inches
ROW = 0.34
BINS = 40
LINEAR_UP_TO = 100  # rows of a bin; above that, small bins would not be seen beside it
PER_REASON, PAIRS = 8, 12
"""Pictures of a reason and pairs of a filter that are shown."""


def draw_funnel(outcome: Outcome, path: Path) -> None:
    """A bar per filter: what it was given, and of that what it dropped."""
    figure = _figure(WIDTH, 1.0 + ROW * (len(outcome.steps) + 1))
    ax = figure.subplots()
    labels = [step.filter.name for step in outcome.steps] + ['kept']
    places = np.arange(len(labels))
    left = [step.entered - step.dropped for step in outcome.steps] + [len(outcome.kept)]
    dropped = [step.dropped for step in outcome.steps]
    colours = [BLUE] * len(outcome.steps) + [GREEN]
    ax.barh(places, left, color=colours, height=0.62)
    ax.barh(places[:-1], dropped, left=left[:-1], color=VERMILION, height=0.62, hatch='///')
    whole = max(1, len(outcome.collection))
    for place, (stay, go) in enumerate(zip(left, [*dropped, 0], strict=True)):
        text = f'{stay:,}' + (f'  (−{go:,})' if go else '')
        ax.text((stay + go) + 0.01 * whole, place, text, va='center', fontsize=TEXT, color=GREY)
    ax.set_yticks(places, labels)
    ax.invert_yaxis()
    ax.set_xlim(0, 1.16 * whole)
    ax.set_xlabel('rows that a filter was given; hatched: those that it dropped', fontsize=TEXT)
    _plain(ax)
    _save(figure, path)


def draw_scores(step: Step, path: Path) -> bool:
    """Histogram of a filter's scores with its threshold; False where it has none to show."""
    verdict = step.verdict
    known = np.isfinite(verdict.scores)
    if verdict.threshold is None or not known.any():
        return False
    figure = _figure(WIDTH, 2.6)
    ax = figure.subplots()
    values = verdict.scores[known]
    low, high = float(values.min()), float(values.max())
    low, high = min(low, verdict.threshold), max(high, verdict.threshold)
    edges = np.linspace(low, high if high > low else low + 1, BINS + 1).tolist()
    for keep, colour, name in ((True, BLUE, 'kept'), (False, VERMILION, 'dropped')):
        part = verdict.scores[known & (verdict.keep == keep)]
        hatch = None if keep else '///'
        ax.hist(part, edges, color=colour, alpha=0.75, hatch=hatch, label=f'{name} ({len(part):,})')
    ax.axvline(verdict.threshold, color=GREY, linestyle='--', linewidth=1.2)
    counts = np.histogram(values, edges)[0]
    if counts.max() > LINEAR_UP_TO:
        from matplotlib.ticker import FuncFormatter

        ax.set_yscale('symlog', linthresh=10)
        ax.yaxis.set_major_formatter(FuncFormatter(lambda count, _: f'{count:,.0f}'))
    ax.set_ylim(bottom=0)
    ax.set_xlabel(f'{verdict.score_name}; dashed: threshold {verdict.threshold:.3g}', fontsize=TEXT)
    ax.set_ylabel('rows', fontsize=TEXT)
    ax.legend(fontsize=TEXT, frameon=False, ncols=2, loc='lower left', bbox_to_anchor=(0, 1))
    _plain(ax)
    _save(figure, path)
    return True


def draw_sheet(outcome: Outcome, step: Step, path: Path) -> bool:
    """Contact sheet of what a filter dropped; False where it dropped nothing or shows no pictures."""
    from cite.images.contact_sheet import contact_sheet

    if step.filter.shows == 'captions' or not step.dropped:
        return False
    rows = _pairs(outcome, step) if step.filter.shows == 'pairs' else _by_reason(outcome, step)
    columns = 6 if step.filter.shows == 'pairs' else 8
    sheet = contact_sheet(rows, side=140, columns=columns)
    with replacing(path) as temporary:
        sheet.save(temporary, format='png')
    return True


def shown_rows(step: Step, reason: str, most: int) -> list[int]:
    """Places of dropped rows that are shown: lowest scores first, then by order."""
    verdict = step.verdict
    places = [place for place, found in enumerate(verdict.reasons) if found == reason]
    scores = np.nan_to_num(verdict.scores, nan=np.inf)
    return sorted(places, key=lambda place: (scores[place], place))[:most]


def _by_reason(outcome: Outcome, step: Step) -> list:
    from cite.images.contact_sheet import Cell, Row

    collection, verdict = outcome.collection, step.verdict
    few = (
        step.dropped <= 2 * PER_REASON
    )  # of many reasons with a picture each, a sheet would be a tower
    rows = []
    for reason, count in step.by_reason().items():
        cells = []
        for place in shown_rows(step, reason, PER_REASON * (1 + few)):
            row = int(step.rows[place])
            said = _short(collection.names[row])
            value = float(verdict.scores[place])
            told = f'{value:.4g}' if np.isfinite(value) else verdict.details[place]
            told = reason if few and len(step.by_reason()) > 1 else told
            cells.append(Cell(collection.path(row), f'{said}\n{told}', VERMILION))
        rows.append(Row(f'{reason} ({count:,})', cells))
    if few and len(rows) > 1:
        title = f'{len(rows)} reasons ({step.dropped:,})'
        return [Row(title, [cell for row in rows for cell in row.cells])]
    return rows


def _pairs(outcome: Outcome, step: Step) -> list:
    from cite.images.contact_sheet import Cell, Row

    collection, verdict = outcome.collection, step.verdict
    rows = []
    for reason, count in step.by_reason().items():
        cells = []
        for place in _spread(step, reason):
            row, match = int(step.rows[place]), verdict.matches.get(place)
            value = float(verdict.scores[place])
            told = f'dropped, {value:.4g}' if np.isfinite(value) else 'dropped'
            if match is not None:
                shown = match.path if match.path is not None else Path(match.name)
                cells.append(Cell(shown, f'{_short(match.name)}\n{step.filter.match_is}', GREEN))
            cells.append(
                Cell(collection.path(row), f'{_short(collection.names[row])}\n{told}', VERMILION)
            )
        rows.append(Row(f'{reason} ({count:,})', cells))
    return rows


def _spread(step: Step, reason: str) -> list[int]:
    """Pairs over the whole range of scores, the doubtful end included."""
    places = shown_rows(step, reason, len(step.rows))
    if len(places) <= PAIRS:
        return places
    return [places[at] for at in np.linspace(0, len(places) - 1, PAIRS).round().astype(int)]


def _short(name: str, most: int = 24) -> str:
    name = name.rsplit('/', 1)[-1]
    return name if len(name) <= most else f'…{name[-most + 1 :]}'


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, facecolor='white', layout='constrained')
    FigureCanvasAgg(figure)
    return figure


def _plain(ax: object) -> None:
    ax.tick_params(labelsize=TEXT)  # type: ignore[attr-defined]
    ax.grid(axis='x', color='#E4E4E4', linewidth=0.6)  # type: ignore[attr-defined]
    ax.set_axisbelow(True)  # type: ignore[attr-defined]
    ax.spines[['top', 'right']].set_visible(False)  # type: ignore[attr-defined]


def _save(figure: Figure, path: Path) -> None:
    """As PNG; the same figure gives the same bytes."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format='png', metadata={'Software': None})


__all__: Sequence[str] = ['draw_funnel', 'draw_scores', 'draw_sheet', 'shown_rows']
