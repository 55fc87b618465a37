"""A zero-shot run in a few lines, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cite.evaluation.table import printable
from cite.pages import Table
from cite.pages.terminal import aligned, shortened
from cite.zeroshot.findings import Findings
from cite.zeroshot.measuring import drawn
from cite.zeroshot.templates import best_and_worst

WIDTH = 100
MOST_CLASSES = 30
METRICS = (
    ('balanced accuracy', 'balanced_accuracy'),
    ('accuracy', 'accuracy'),
    ('macro F1', 'macro_f1'),
    ('weighted F1', 'weighted_f1'),
    ('AUROC', 'auroc'),
    ('AUPRC', 'auprc'),
    ('ECE', 'ece'),
)
OPTIMISTIC = (
    'The table per template describes; it is no choice. A template that is chosen because it does best on '
    'the images that it is then reported on looks better than it is: choose it on other images.'
)


def terminal_text(found: Findings, page: Path) -> str:
    """What was asked, the metrics, the best and the worst template, the warnings, where the page is."""
    record = found.scores.record
    lines = [
        f'{printable(record["space"])}: {len(found.names):,} images, '
        f'{len(found.scores.classes)} classes',
        textwrap.fill(printable(prompts_line(found)), WIDTH, subsequent_indent='  '),
        '',
    ]
    if found.metrics:
        lines += [*aligned(metrics_table(found)), '', *aligned(classes_table(found))]
    else:
        lines += aligned(classes_table(found))
    ends = best_and_worst(found.templates)
    if ends:
        lines.append('')
        for name, row in zip(('best', 'worst'), ends, strict=True):
            value = number(row.metrics['balanced_accuracy'])
            lines.append(shortened(f'{name} template: {value}  {printable(row.template)}', WIDTH))
        lines.append('(balanced accuracy; a description of the templates, no way to choose one)')
    lines += ['', 'warnings:'] if found.warnings else []
    lines += [
        textwrap.fill(printable(text), WIDTH, initial_indent='- ', subsequent_indent='  ')
        for text in found.warnings
    ]
    return '\n'.join([*lines, '', f'page: {page}'])


def prompts_line(found: Findings) -> str:
    """Prompt set, pooling, normalisation, scale."""
    record = found.scores.record
    prompts = record['prompts']
    count = len(prompts['templates'])
    templates = '1 template' if count == 1 else f'{count} templates'
    return (
        f'prompts: {prompts["name"]} ({templates}; {prompts["source"]}) · pooling: {record["pooling"]} · '
        f'features and texts of unit length · scale {found.scores.scale:.1f}{_precision(record)}'
    )


def _precision(record: Mapping[str, Any]) -> str:
    """Of the images' features, where it is known."""
    said = (record.get('features') or {}).get('precision')
    return f' · {said}' if said else ''


def metrics_table(found: Findings) -> Table:
    """A row per metric, a column per level, with its 95 % interval where there is one."""
    names = [
        f'{found.level if level == "patch" else level} (n={metrics["n"]:,})'
        for level, metrics in found.metrics.items()
    ]
    rows = [
        [title, *(_cell(found, level, key) for level in found.metrics)] for title, key in METRICS
    ]
    over = '' if found.table is None else drawn(found.table)
    note = (
        'Fractions; - is not defined. Whoever guesses has a balanced accuracy of '
        f'{1 / len(found.scores.classes):.3f}. In brackets: 95 % intervals over {over}. AUROC and AUPRC: '
        'one against the rest, mean over classes. ECE: lower is better; probabilities are the softmax of '
        'scale × cosine.'
    )
    return Table(['', *names], rows, note)


def _cell(found: Findings, level: str, key: str) -> str:
    value = number(found.metrics[level][key])
    ends = found.intervals.get(level, {}).get(key)
    return f'{value} [{ends[0]:.3f}, {ends[1]:.3f}]' if ends else value


def classes_table(found: Findings, most: int = MOST_CLASSES) -> Table:
    """A row per class: its images, those given to it, and what share of its own."""
    scores = found.scores
    size = len(scores.classes)
    given = np.bincount(scores.predicted, minlength=size)
    head, labels = ['class', 'given'], found.labels
    columns: list[list[str]] = [[f'{count:,}' for count in given]]
    if found.metrics and labels is not None:
        head = ['class', 'images', 'given', 'accuracy']
        metrics = found.metrics['patch']
        of_each = np.bincount(labels, minlength=size)
        columns.insert(0, [f'{count:,}' for count in of_each])
        columns.append(
            [number(metrics['per_class_accuracy'][name]) for name in scores.classes.names]
        )
    rows = [list(row) for row in zip(scores.classes.names, *columns, strict=True)]
    note = f'{most} of {size} classes.' if size > most else ''
    return Table(head, rows[:most], note)


def number(value: float | None) -> str:
    """Three decimals, '-' for what is not defined."""
    return '-' if value is None else f'{value:.3f}'
