"""The results of one run as a table, patches beside slides, for terminals and Markdown."""

from __future__ import annotations

from typing import Any

from cite.evaluation.metrics import level_metrics

LEVELS = ('patch', 'slide')
ROWS = (
    ('accuracy', 'accuracy'),
    ('balanced accuracy', 'balanced_accuracy'),
    ('macro F1', 'macro_f1'),
    ('AUROC', 'auroc'),
    ('quadratic kappa', 'quadratic_kappa'),
)
UNIT = "Fractions; '-' is not defined on these samples. AUROC: one-vs-rest, mean over classes."


def results_table(results: dict[str, Any]) -> str:
    """Aligned plain text of what `evaluate` returned; fractions with 3 decimals, '-' for None.

    Raises:
        DataError: `results` lacks a level or a metric.
    """
    header, *rows = _cells(results)
    widths = [max(len(row[column]) for row in (header, *rows)) for column in range(len(header))]
    lines = []
    for row in (header, *rows):
        cells = [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append('  '.join([row[0].ljust(widths[0]), *cells]).rstrip())
    lines.insert(1, '-' * (sum(widths) + 2 * len(header[1:])))
    return '\n'.join([*lines, '', *_notes(results)])


def markdown_table(results: dict[str, Any]) -> str:
    """The same rows as `results_table`, as a Markdown table followed by its notes."""
    header, *rows = _cells(results)
    lines = [_markdown_row(header), '|:--' + '|--:' * (len(header) - 1) + '|']
    lines += [_markdown_row(row) for row in rows]
    return '\n'.join([*lines, '', *_notes(results)])


def _cells(results: dict[str, Any]) -> list[list[str]]:
    levels = {level: level_metrics(results, level) for level in LEVELS}
    rows = [['', *(f'{level} (n={metrics["n"]})' for level, metrics in levels.items())]]
    for title, key in ROWS:
        rows.append([title, *(_number(metrics[key]) for metrics in levels.values())])
    for name in levels['patch']['classes']:
        values = [metrics['per_class_accuracy'].get(name) for metrics in levels.values()]
        rows.append([f'accuracy, {name}', *map(_number, values)])
    return rows


def _notes(results: dict[str, Any]) -> list[str]:
    notes = [UNIT]
    for level in LEVELS:
        missing = level_metrics(results, level)['missing_classes']
        if missing:
            notes.append(f'No {level} of {", ".join(missing)}: left out of balanced accuracy.')
    return notes


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


def _markdown_row(cells: list[str]) -> str:
    return '| ' + ' | '.join(cell.replace('|', '\\|') for cell in cells) + ' |'
