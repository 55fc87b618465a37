"""One picture of one run: what was trained, how well it does, and on which patches it fails."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cite.atomic import replacing
from cite.errors import DataError
from cite.evaluation.metrics import level_metrics
from cite.evaluation.predictions import Predictions
from cite.evaluation.table import baselines_of
from cite.experiments.curves import read_training_log
from cite.experiments.names import key_to_names, short_names
from cite.experiments.picture import GREY, HEADING, SMALL, TEXT, draw_confusion, draw_training, fit
from cite.experiments.sheet import draw_sheet

if TYPE_CHECKING:
    from matplotlib.figure import Figure, SubFigure

SIZE, DPI = (12.0, 8.0), 150  # inches; 1800 × 1200 pixels
SMALL_PRINT: dict[str, Any] = {'fontsize': SMALL, 'color': GREY}


def draw_report(run_dir: Path, out: Path | None = None, data_root: Path | None = None) -> Path:
    """Draw a run folder as one PNG of 1800 × 1200 pixels and return its path.

    Reads `results.json` (metrics under 'patch' and 'slide'; strings 'title', by default the name of
    the folder, and 'subtitle', the footer, which should name the encoders; 'baselines', for a line
    under the results), `predictions.parquet` and, where there is one, the training log. Missing logs
    and images leave a note in the picture.

    Args:
        out: file to write; `run_dir/report.png` by default. Replaced as a whole or not at all.
        data_root: folder that relative file names start from; the working folder by default.

    Raises:
        DataError: results or predictions are missing, damaged, or not of the same run.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    run_dir = Path(run_dir)
    out = run_dir / 'report.png' if out is None else Path(out)
    results, predictions = _read_run(run_dir)

    figure = Figure(figsize=SIZE, dpi=DPI, facecolor='white')
    FigureCanvasAgg(figure)
    draw_into(figure, results, predictions, read_training_log(run_dir), data_root)
    with replacing(out) as temporary:
        figure.savefig(temporary, format='png')
    return out


def draw_into(
    figure: Figure,
    results: dict[str, Any],
    predictions: Predictions,
    log: list[dict[str, Any]],
    data_root: Path | None,
) -> None:
    """Lay out the report in an empty figure of `SIZE`."""
    levels = {level: level_metrics(results, level) for level in ('patch', 'slide')}
    baselines = _baselines(results)
    top = 0.115 if baselines else 0.09
    outer = figure.add_gridspec(3, 1, height_ratios=[top, 0.955 - top, 0.045])
    head, body, foot = (figure.add_subfigure(outer[row]) for row in range(3))
    _line(head, 0.70 if baselines else 0.62, str(results['title']), fontsize=15, fontweight='bold')
    numbers = '      '.join(_headline(level, metrics) for level, metrics in levels.items())
    _line(head, 0.35 if baselines else 0.16, numbers, fontsize=TEXT + 1)
    _line(head, 0.12, baselines, **SMALL_PRINT)
    _line(foot, 0.5, str(results['subtitle']), fontsize=TEXT, color=GREY)

    names = short_names(predictions.classes, 14)
    left, right = _halves(body, 1, 2, width_ratios=[0.41, 0.59])
    upper, lower = _halves(left, 2, 1, height_ratios=[0.49, 0.51])
    upper.text(0.05, 0.97, 'Training', fontsize=HEADING, va='center')
    draw_training(upper.add_axes((0.13, 0.16, 0.74, 0.7)), log)

    lower.text(0.05, 0.97, 'Confusion matrices', fontsize=HEADING, va='center')
    lower.text(0.37, 0.97, 'colour: share of the row', **SMALL_PRINT, va='center')
    grid = lower.add_gridspec(1, 2, left=0.255, right=0.97, top=0.87, bottom=0.2, wspace=0.1)
    for column, (level, metrics) in enumerate(levels.items()):
        ax = lower.add_subplot(grid[column])
        draw_confusion(ax, metrics, names, level.capitalize(), truth=column == 0)
    key = textwrap.wrap(key_to_names(predictions.classes, names), 76, max_lines=4, placeholder=' …')
    lower.text(0.05, 0.015, '\n'.join(key), **SMALL_PRINT, va='bottom', parse_math=False)
    draw_sheet(right, predictions, names, data_root)


def _halves(part: SubFigure, rows: int, columns: int, **ratios: Any) -> list[SubFigure]:
    return list(np.ravel(part.subfigures(rows, columns, **ratios)))


def _read_run(run_dir: Path) -> tuple[dict[str, Any], Predictions]:
    path = run_dir / 'results.json'
    try:
        results = json.loads(path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise DataError(
            f'{path}: no such file; a report needs the folder of a tested run.'
        ) from error
    except ValueError as error:
        raise DataError(f'{path}: not valid JSON ({error}); test the run again.') from error
    if not isinstance(results, dict):
        raise DataError(f'{path}: an object was expected, found {type(results).__name__}.')
    predictions = Predictions.from_parquet(run_dir / 'predictions.parquet')
    patch = level_metrics(results, 'patch')
    if (patch['n'], patch['classes']) != (len(predictions), list(predictions.classes)):
        raise DataError(
            f'{run_dir}: results.json is about {patch["n"]} patches of {len(patch["classes"])} '
            f'classes, predictions.parquet about {len(predictions)} of {len(predictions.classes)} '
            f'(or other names); test the run again.'
        )
    return {'title': run_dir.resolve().name, 'subtitle': '', **results}, predictions


def _headline(level: str, metrics: dict[str, Any]) -> str:
    shown = {
        'balanced accuracy': 'balanced_accuracy',
        'AUROC': 'auroc',
        'quadratic κ': 'quadratic_kappa',
    }
    values = [
        f'{name} {metrics[key]:.3f}' for name, key in shown.items() if metrics[key] is not None
    ]
    return f'{level.capitalize()} level (n = {metrics["n"]:,}):  {",  ".join(values)}'


def _baselines(results: dict[str, Any]) -> str:
    found = [
        f'{one["title"]} {" / ".join(_balanced(one, level) for level in ("patch", "slide"))}'
        for one in baselines_of(results).values()
    ]
    return f'Balanced accuracy of baselines, patch / slide:  {",  ".join(found)}' if found else ''


def _balanced(metrics: dict[str, Any], level: str) -> str:
    return f'{level_metrics(metrics, level)["balanced_accuracy"]:.3f}'


def _line(part: SubFigure, y: float, text: str, **style: Any) -> None:
    """Write one line across the figure, in smaller type or cut where it would not fit."""
    line = part.text(0.02, y, ' '.join(text.splitlines()), va='center', parse_math=False, **style)
    fit([line], 0.96 * SIZE[0] * DPI, smallest=7.0)
