"""The results of one run as a table for terminals and Markdown: patches and slides, beside baselines."""

from __future__ import annotations

import re
import textwrap
from typing import Any, NamedTuple

from cite.errors import DataError
from cite.evaluation.metrics import LATER_KEYS, level_metrics

LEVELS = ('patch', 'slide')
ROWS = (
    ('accuracy', 'accuracy'),
    ('balanced accuracy', 'balanced_accuracy'),
    ('macro F1', 'macro_f1'),
    ('weighted F1', 'weighted_f1'),
    ('AUROC', 'auroc'),
    ('AUPRC', 'auprc'),
    ('quadratic kappa', 'quadratic_kappa'),
    ('log loss', 'log_loss'),
    ('ECE', 'ece'),
)
UNIT = "Fractions; '-' is not defined on these samples. AUROC: one-vs-rest, mean over classes."
LATER_UNIT = ' AUPRC likewise. Log loss (natural) and ECE (15 bins): lower is better.'
WIDTH, LEAST_NAME = 100, 24
"""Characters of a terminal's line, and how many of them names have at least."""


class Cells(NamedTuple):
    """What both kinds of table show, as text."""

    levels: list[str]
    """'patch (n=…)', 'slide (n=…)'."""
    columns: list[str]
    """What each level has a column of: 'run', then the baselines."""
    rows: list[list[str]]
    """A name, then the values of the first level, then those of the second."""


def results_table(results: dict[str, Any]) -> str:
    """Aligned plain text of a results file, or of what `evaluate` returned.

    Fractions have 3 decimals, None is '-'. Where the results hold 'baselines' (kind → 'title' and the
    metrics of both levels), each has a column at each level. A 'title' stands above the table. Lines
    have at most 100 characters, long names of classes more than one line.

    Raises:
        DataError: `results`, or one of its baselines, lacks a level or a metric.
    """
    cells = _cells(results)
    values = [row[1:] for row in cells.rows]
    heads = cells.columns * len(LEVELS) if len(cells.columns) > 1 else cells.levels
    widths = [max(map(len, column)) for column in zip(heads, *values, strict=True)]
    spans = _spans(cells, widths)
    room = max(LEAST_NAME, WIDTH - sum(spans) - 2 * len(spans))
    names = [textwrap.wrap(row[0], room, subsequent_indent='  ') or [''] for row in cells.rows]
    first = max(len(line) for lines in names for line in lines)

    def line(name: str, texts: list[str], sizes: list[int]) -> str:
        sized = [text.rjust(size) for text, size in zip(texts, sizes, strict=True)]
        return '  '.join([name.ljust(first), *sized]).rstrip()

    title = [printable(results['title'])] if results.get('title') else []
    above = []
    if len(cells.columns) > 1:  # a level's name in the middle over its columns
        bars = [f' {level} '.center(n, '-') for level, n in zip(cells.levels, spans, strict=True)]
        above = [line('', bars, spans)]
    lines = [*title, *above, line('', heads, widths)]
    lines.append('-' * (first + sum(spans) + 2 * len(spans)))
    for (start, *more), texts in zip(names, values, strict=True):
        lines += [line(start, texts, widths), *more]
    notes = [textwrap.fill(printable(note), WIDTH) for note in _notes(results)]
    return '\n'.join([*lines, '', *notes])


def markdown_table(results: dict[str, Any]) -> str:
    """The same rows as `results_table`, as a Markdown table followed by its notes."""
    cells = _cells(results)
    header = ['', *cells.levels]
    if len(cells.columns) > 1:
        header = [
            '',
            *(f'{level}: {column}' for level in cells.levels for column in cells.columns),
        ]
    lines = [_markdown_row(header), '|:--' + '|--:' * (len(header) - 1) + '|']
    lines += [_markdown_row(row) for row in cells.rows]
    return '\n'.join([*lines, '', *map(markdown_text, _notes(results))])


def printable(text: object) -> str:
    """On one line: line breaks, tabs and other control characters as escapes."""
    return ''.join(c if c.isprintable() else c.encode('unicode_escape').decode() for c in str(text))


def markdown_text(text: object) -> str:
    """On one line, with nothing in it that Markdown or HTML would take for a sign of its own."""
    return re.sub(r'([\\`*_\[\]<>|~$&])', r'\\\1', printable(text))


def baselines_of(results: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Kind → title and metrics of the baselines that a results file holds; old files hold none.

    Raises:
        DataError: what is there is of another form.
    """
    found = results.get('baselines') or {}
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise DataError(
            "Results at 'baselines' should be an object of objects (kind → metrics); "
            'test the run again.'
        )
    return {kind: {'title': kind, **one} for kind, one in found.items()}


def _cells(results: dict[str, Any]) -> Cells:
    runs = {'run': results, **baselines_of(results)}
    found = {level: [level_metrics(run, level) for run in runs.values()] for level in LEVELS}
    rows = []
    for title, key in ROWS:
        numbers = [metrics[key] for level in LEVELS for metrics in found[level]]
        if key not in LATER_KEYS or _has(results, key):
            rows.append([title, *map(_number, numbers)])
    for name in found['patch'][0]['classes']:
        values = [
            _number(metrics['per_class_accuracy'].get(name))
            for level in LEVELS
            for metrics in found[level]
        ]
        rows.append([printable(f'accuracy, {name}'), *values])
    levels = [f'{level} (n={found[level][0]["n"]})' for level in LEVELS]
    return Cells(levels, [printable(name) for name in runs], rows)


def _has(results: dict[str, Any], key: str) -> bool:
    """Whether the run was evaluated by a version that knows this metric."""
    return any(key in results[level] for level in LEVELS)


def _spans(cells: Cells, widths: list[int]) -> list[int]:
    """Widths of the levels, whose first columns are widened in place where the names need it."""
    spans = []
    columns = len(cells.columns)
    gaps = 2 * (columns - 1)
    for number, level in enumerate(cells.levels):
        own = slice(number * columns, (number + 1) * columns)
        needed = len(level) + (4 if columns > 1 else 0)  # '- level -'
        widths[own.start] += max(0, needed - sum(widths[own]) - gaps)
        spans.append(sum(widths[own]) + gaps)
    return spans


def _notes(results: dict[str, Any]) -> list[str]:
    notes = [UNIT + (LATER_UNIT if _has(results, 'log_loss') else '')]
    for level in LEVELS:
        missing = level_metrics(results, level)['missing_classes']
        if missing:
            notes.append(f'No {level} of {", ".join(missing)}: left out of balanced accuracy.')
    titles = [str(one['title']) for one in baselines_of(results).values()]
    if titles:
        notes.append(f'Baselines, of the same training patches: {", ".join(titles)}.')
    return [*notes, *results.get('baseline_notes', ())]


def _number(value: float | None) -> str:
    return '-' if value is None else f'{value:.3f}'


def _markdown_row(cells: list[str]) -> str:
    return '| ' + ' | '.join(map(markdown_text, cells)) + ' |'
