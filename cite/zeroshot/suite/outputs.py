"""The files of a suite: one table as CSV, Markdown and HTML, a figure, and everything as JSON."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

from cite.atomic import write_json, write_text
from cite.pages.document import Block, Bullets, Document, Paragraph, Picture, Section, Table
from cite.pages.html import render_html
from cite.pages.markdown import render_markdown
from cite.zeroshot.suite.figure import write_figure
from cite.zeroshot.suite.result import Average, SetResult, SuiteResult, percent, plain
from cite.zeroshot.suite.suite_file import Suite

COLUMNS = (
    'kind',
    'name',
    'modality',
    'status',
    'metric',
    'value',
    'low',
    'high',
    'of',
    'n',
    'classes',
    'majority',
    'accuracy',
    'balanced_accuracy',
    'macro_f1',
    'auroc',
    'skipped',
    'prompts',
    'reason',
    'where',
)
FIGURE = 'suite.png'


def write_outputs(result: SuiteResult, suite: Suite) -> None:
    """suite.csv, suite.md, suite.html, suite.png and results.json in the folder of the result."""
    out = result.out
    out.mkdir(parents=True, exist_ok=True)
    write_text(out / 'suite.csv', _csv(result))
    if result.overall.scored:
        write_figure(result, out / FIGURE)
    else:
        (out / FIGURE).unlink(missing_ok=True)
    page = document(result, suite)
    write_text(out / 'suite.md', render_markdown(page))
    write_text(out / 'suite.html', render_html(page, out))
    content: dict[str, Any] = {
        'suite': result.suite,
        'model': result.model,
        'sets': [plain(one) for one in result.sets],
        'modalities': [plain(one) for one in result.averages],
        'overall': plain(result.overall),
    }
    write_json(out / 'results.json', content)


def document(result: SuiteResult, suite: Suite) -> Document:
    """The page: averages, one table, what is not there, where the data sets come from."""
    sections = [Section('Results', _results(result))]
    absent = [one for one in result.sets if one.status != 'scored']
    if absent:
        told = {'missing': 'not found', 'failed': 'failed'}
        lines = [f'{one.title} ({one.name}): {told[one.status]}: {one.reason}' for one in absent]
        sections.append(Section('Without a result', [Bullets(lines)]))
    sources = [
        f'{entry.title}: {"; ".join(parts)}'
        for entry in suite.entries
        if (parts := [str(entry.about[key]) for key in _SHOWN if entry.about.get(key)])
    ]
    if sources:
        sections.append(Section('Data sets', [Bullets(sources)]))
    overall = result.overall
    lead = [
        f'{result.model}, without training: {percent(overall.value)} on average over {overall.of} '
        'data sets.'
    ]
    footer = [
        'Intervals are of images as if they were independent (Wilson, 95 %); images of one patient are '
        'not, so they are too narrow.',
        'Averages are plain means over the data sets that were found; those of another choice of data sets '
        'are not comparable.',
    ]
    return Document(f'Zero-shot suite {result.suite}', lead, sections, footer)


_SHOWN = ('split', 'note', 'citation', 'licence', 'homepage')


def _results(result: SuiteResult) -> list[Block]:
    rows: list[list[str]] = []
    for own in result.averages:
        for one in result.sets:
            if one.modality == own.modality:
                rows.append(_row(one))
        rows.append(_average_row(own))
    rows.append(_average_row(result.overall))
    head = (
        'Modality',
        'Data set',
        'Metric',
        '%',
        '95 %',
        'Images',
        'Classes',
        'Majority %',
        'Prompts',
    )
    blocks: list[Block] = [Table(head, rows)]
    mixed = [own.modality for own in (*result.averages, result.overall) if len(own.metrics) > 1]
    if mixed:
        blocks.append(
            Paragraph(
                f'Averages of different metrics, each as its data set names it: {", ".join(mixed)}.'
            )
        )
    if result.overall.scored:
        blocks.append(
            Picture(
                FIGURE,
                'A dot per data set, grouped by modality, with the mean of each modality.',
                'Dots: data sets with their intervals. Lines: means. Crosses: share of the most frequent '
                'class.',
            )
        )
    return blocks


def _row(one: SetResult) -> list[str]:
    if one.status != 'scored':
        told = 'not found' if one.status == 'missing' else 'failed'
        return [one.modality, one.title, one.metric, told, '-', '-', '-', '-', '-']
    ends = '-' if one.interval is None else f'{percent(one.interval[0])}–{percent(one.interval[1])}'
    left_out = f' ({one.skipped} left out)' if one.skipped else ''
    return [
        one.modality,
        one.title,
        one.metric,
        percent(one.value),
        ends,
        f'{one.n:,}{left_out}',
        str(one.classes),
        percent(one.majority),
        one.prompts,
    ]


def _average_row(own: Average) -> list[str]:
    name = f'mean of {own.of} data sets'
    return [own.modality, name, ' and '.join(own.metrics) or '-', percent(own.value), *['-'] * 5]


def _csv(result: SuiteResult) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator='\n', restval='')
    writer.writeheader()
    for one in result.sets:
        low, high = one.interval or ('', '')
        said = {key: value for key, value in {**vars(one), **one.metrics}.items() if key in COLUMNS}
        writer.writerow({**said, 'kind': 'set', 'low': low, 'high': high})
    writer.writerows(_averages(result.averages, 'modality'))
    writer.writerows(_averages([result.overall], 'all'))
    return text.getvalue()


def _averages(averages: Sequence[Average], kind: str) -> list[dict[str, Any]]:
    return [
        {
            'kind': kind,
            'name': 'mean',
            'modality': own.modality,
            'metric': ' and '.join(own.metrics),
            'value': own.value,
            'of': own.of,
        }
        for own in averages
    ]
