"""The page of a run: what each filter dropped, with pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cite import __version__
from cite.atomic import write_text
from cite.pages import (
    Block,
    Bullets,
    Document,
    Paragraph,
    Picture,
    Section,
    Table,
    render_html,
    render_markdown,
)
from cite.quality.pictures import draw_funnel, draw_scores, draw_sheet, shown_rows
from cite.quality.run import Outcome, Step

FIGURES = 'figures'
EXAMPLES, LONGEST = 8, 160
"""Captions of a reason that are shown, and how much of each."""


def write_page(outcome: Outcome, folder: Path) -> Path:
    """Writes `quality.html`, `quality.md` and their figures; the same outcome gives the same bytes.

    Returns:
        The first of them.
    """
    figures = folder / FIGURES
    figures.mkdir(parents=True, exist_ok=True)
    draw_funnel(outcome, figures / 'funnel.png')
    sections = [_overview(outcome), *(_section(outcome, step, folder) for step in outcome.steps)]
    document = Document(
        title=f'Quality of {outcome.collection.source.name}',
        lead=[_summary(outcome), *outcome.notes],
        sections=[*sections, _files(outcome)],
        footer=[f'Written by cite {__version__}. Nothing was deleted, moved or changed.'],
    )
    page = folder / 'quality.html'
    write_text(folder / 'quality.md', render_markdown(document))
    write_text(page, render_html(document, folder))
    return page


def _summary(outcome: Outcome) -> str:
    total, kept = len(outcome.collection), len(outcome.kept)
    return f'{kept:,} of {total:,} rows are kept ({kept / max(1, total):.1%}).'


def _overview(outcome: Outcome) -> Section:
    rows = [
        [step.filter.name, f'{step.entered:,}', f'{step.dropped:,}', _reasons(step)]
        for step in outcome.steps
    ]
    picture = Picture(
        f'{FIGURES}/funnel.png',
        'Rows that each filter was given, and how many it dropped',
        'Filters run from top to bottom; each is given what those above it left.',
    )
    return Section('Overview', [Table(['filter', 'given', 'dropped', 'why'], rows), picture])


def _reasons(step: Step) -> str:
    return '; '.join(f'{reason}: {count:,}' for reason, count in step.by_reason().items()) or '–'


def _section(outcome: Outcome, step: Step, folder: Path) -> Section:
    name, verdict = step.filter.name, step.verdict
    blocks: list[Block] = [Paragraph(step.filter.says)]
    if verdict.notes:
        blocks.append(Bullets(verdict.notes))
    if 'measured' in verdict.about:
        blocks.append(_measured(verdict.about))
    settings = [
        f'{key}: {_plain(value)}'
        for key, value in verdict.about.items()
        if not isinstance(value, dict)
    ]
    if settings:
        blocks.append(Paragraph('Settings: ' + '; '.join(settings) + '.'))
    sheet, scores = folder / FIGURES / f'{name}.png', folder / FIGURES / f'{name}_scores.png'
    if _drawn(draw_sheet(outcome, step, sheet), sheet):
        blocks.append(Picture(f'{FIGURES}/{sheet.name}', f'What {name} dropped', _caption(step)))
    if step.filter.shows == 'captions' and step.dropped:
        blocks.append(_captions(outcome, step))
    if _drawn(draw_scores(step, scores), scores):
        text = (
            'Where counts differ much, the axis of rows is linear up to 10 and logarithmic above.'
        )
        blocks.append(Picture(f'{FIGURES}/{scores.name}', f'Scores of {name}', text))
    if not step.dropped:
        blocks.append(Paragraph('It dropped nothing.'))
    return Section(f'Filter: {name}', blocks)


def _drawn(drawn: bool, path: Path) -> bool:
    """Whether there is a picture; one of an earlier run goes where there is none."""
    if not drawn:
        path.unlink(missing_ok=True)
    return drawn


def _caption(step: Step) -> str:
    if step.filter.shows == 'pairs':
        return (
            'Pairs side by side: in green what a picture was matched with, in orange the one that is '
            f'dropped, with its {step.verdict.score_name}. Of many pairs, some over the whole range are '
            'shown.'
        )
    score = step.verdict.score_name
    return f'Per reason those with the lowest {score} first.' if score else 'Some per reason.'


def _captions(outcome: Outcome, step: Step) -> Table:
    collection, verdict = outcome.collection, step.verdict
    texts = collection.captions or []
    rows = []
    for reason in step.by_reason():
        for place in shown_rows(step, reason, EXAMPLES):
            row = int(step.rows[place])
            text = ' '.join(texts[row][: 4 * LONGEST].split())
            text = text if len(text) <= LONGEST else f'{text[:LONGEST]}…'
            told = '' if verdict.score_name == '' else f'{verdict.scores[place]:.2g}'
            why = f'{reason}; {verdict.details[place]}' if verdict.details[place] else reason
            rows.append([text, told, why, collection.names[row]])
    note = f'At most {EXAMPLES} per reason; dropped.csv has all of them.'
    head = ['caption', verdict.score_name or 'score', 'why', 'file']
    if not verdict.score_name:
        head, rows = head[:1] + head[2:], [row[:1] + row[2:] for row in rows]
    return Table(head, rows, note)


def _measured(about: dict[str, Any]) -> Table:
    rows = []
    for name, key in (
        ('to set the threshold', 'chosen'),
        ('that decided nothing', 'measured'),
    ):
        found = about[key]
        rows.append(
            [
                name,
                f'{found["positives"]} + {found["negatives"]}',
                _share(found, 'recall'),
                _share(found, 'precision'),
                f'{found["auroc"]:.3f}',
            ]
        )
    note = (
        f'By {about["by"]}; threshold chosen for a {about["target"]} of {about["wanted"]:g}. Brackets: '
        '95% Wilson intervals. The precision is that of the mixture of examples; where less of the '
        'collection is pathology than of them, it is lower.'
    )
    head = ['held-out examples', 'positives + negatives', 'recall', 'precision', 'AUROC']
    return Table(head, rows, note)


def _share(found: dict[str, Any], name: str) -> str:
    if found[name] is None:
        return '-'
    low, high = found[f'{name}_interval']
    return f'{found[name]:.3f} [{low:.3f}, {high:.3f}]'


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ', '.join(map(str, value))
    return f'{value:g}' if isinstance(value, float) else str(value)


def _files(outcome: Outcome) -> Section:
    captions = outcome.collection.captions is not None
    follow = (
        'It is a manifest for `cite contrast` and PairDataset' if captions else 'It is a manifest'
    )
    return Section(
        'Files',
        [
            Bullets(
                [
                    'kept.csv: the rows that are kept, with the columns of the input. '
                    f'{follow}; its files are under the folder of the collection, so name that as root.',
                    'dropped.csv: file, row, filter, reason, score, match, detail of all others.',
                    'results.json: counts, options, thresholds and what they were measured on.',
                ]
            )
        ],
    )
