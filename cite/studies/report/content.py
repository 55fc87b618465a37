"""What a report says, part by part; pictures come from `figures`, objections from `referee`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import cite
from cite.pages.document import Block, Bullets, Document, Paragraph, Section, Table
from cite.studies.report import inference
from cite.studies.report.facts import Facts, counted, shots_text
from cite.studies.report.figures.style import METRIC_NAMES, key_to
from cite.studies.report.gather import MAIN_LEVEL, PATCH, PATIENT, SLIDE
from cite.studies.report.referee import objections
from cite.studies.report.results import (
    calibration_table,
    comparison_table,
    cost_table,
    metrics_table,
    shots_table,
)
from cite.studies.report.table import choice_of

NOTICE = 'For research use, not for diagnosis.'


def report(facts: Facts, pictures: Mapping[str, Section]) -> Document:
    """The whole report."""
    study, material = facts.material.study, facts.material
    done, planned = len(material.done), len(material.runs)
    lead = [
        f'{done:,} of {planned:,} runs are done: {counted(len(material.methods), "method")}, '
        f'{shots_text(*material.shots)}, {counted(len(study.split_seeds), "draw")} of training slides, '
        f'{counted(len(study.seeds), "training seed")}. Evaluated on {counted(facts.units, "slide")}.',
    ]
    sections = [
        _results(facts),
        _warnings(facts),
        *_with_tables(facts, pictures),
        *_stains(facts),
        _choices(facts),
        *_without_result(facts),
        _data(facts),
        _methods(facts),
        Section('Files', (Bullets(FILES),)),
    ]
    return Document(study.name, lead, sections, [NOTICE, *_versions(facts)])


FILES = (
    'table.csv, table.parquet: one row per run and level, all metrics, what the run took and chose',
    'summary.csv: mean, standard deviation, 95 % interval of each method, shots, level and metric',
    'comparisons.csv: paired differences with p values, raw and adjusted',
    'figures/: the pictures of this page',
)


def _results(facts: Facts) -> Section:
    blocks: list[Block] = [
        Paragraph('Balanced accuracy at slide level, mean over runs with 95 % interval:'),
        shots_table(facts, 'balanced_accuracy', MAIN_LEVEL),
        Paragraph('AUROC at slide level, one-vs-rest, mean over classes:'),
        shots_table(facts, 'auroc', MAIN_LEVEL),
    ]
    if PATIENT in facts.material.levels:
        blocks += [
            Paragraph('Balanced accuracy at patient level (mean of a patient’s slides):'),
            shots_table(facts, 'balanced_accuracy', PATIENT),
        ]
    blocks += [
        Paragraph(
            f'All metrics at {shots_text(facts.material.most)}, slides, mean ± std over runs:'
        ),
        metrics_table(facts, MAIN_LEVEL),
    ]
    return Section('Results', blocks)


def _warnings(facts: Facts) -> Section:
    found = objections(facts)
    if not found:
        return Section('Warnings', (Paragraph('None of the checks of this report objects.'),))
    return Section('Warnings', (Paragraph('What a referee would object to:'), Bullets(found)))


def _with_tables(facts: Facts, pictures: Mapping[str, Section]) -> list[Section]:
    tables = {'differences': comparison_table, 'cost': cost_table, 'reliability': calibration_table}
    found = []
    key = key_to(facts)
    for number, (name, section) in enumerate(pictures.items()):
        blocks = [*section.blocks]
        if name in tables:
            blocks.append(tables[name](facts))
        if number == 0 and key:
            blocks.append(Paragraph(key))
        found.append(Section(section.title, blocks))
    return found


def _stains(facts: Facts) -> list[Section]:
    stains = facts.stains
    if not stains.groups:
        return [Section('Stain', (Paragraph(stains.note),))] if stains.note else []
    rows = []
    for group in stains.groups:
        value = str(group.interval)
        rows.append(
            [group.name, group.colour, str(group.slides), value, ', '.join(group.missing) or '-']
        )
    note = (
        f'{stains.method} at {shots_text(facts.material.most)}; groups by the colour of tissue alone, '
        'palest first. A group without some class is not comparable with the others.'
    )
    head = ['group', 'colour', 'slides', 'balanced accuracy', 'classes without a slide']
    return [Section('Stain', (Table(head, rows, note),))]


def _choices(facts: Facts) -> Section:
    rows = []
    material = facts.material
    for method in material.methods:
        if material.baseline(method):
            continue
        for shots in material.shots:
            counts = Counter(choice_of(run) or '-' for run in material.of(method, shots))
            if counts:
                text = '; '.join(f'{choice} ({count})' for choice, count in sorted(counts.items()))
                rows.append([method, shots, text])
    note = (
        f'In brackets, runs. Each method could try up to {material.study.choosing.budget} settings, judged '
        'by held-out training slides only.'
    )
    return Section('Settings chosen', (Table(['method', 'k', 'setting'], rows, note),))


def _without_result(facts: Facts) -> list[Section]:
    missing = set(facts.not_done())
    if not missing:
        return []
    rows = [
        [str(run.key), run.state, run.error or '-']
        for run in facts.material.runs
        if run.key in missing
    ]
    return [Section('Runs without a result', (Table(['run', 'state', 'error'], rows),))]


def _data(facts: Facts) -> Section:
    material = facts.material
    slides = material.done[0].tables[SLIDE]
    counts = [sum(slides.labels == index) for index in range(len(material.classes))]
    head, rows = (
        ['class', 'evaluation slides'],
        [[name, f'{count:,}'] for name, count in zip(material.classes, counts, strict=True)],
    )
    if material.unit_kind == 'patients':
        head.append('evaluation patients')
        for row, count in zip(rows, material.units.values(), strict=True):
            row.append(f'{count:,}')
    pool = material.study.data.get('pool')
    if isinstance(pool, Mapping) and isinstance(pool.get('slides_per_class'), Mapping):
        head.append('slides to train from')
        for row in rows:
            row.append(str(pool['slides_per_class'].get(row[0], '-')))
    notes = [
        f'{part}: {found["source"]}, {found["patches"]:,} patches, digest {str(found["digest"])[:12]}'
        for part in ('pool', 'evaluation')
        if isinstance(found := material.study.data.get(part), Mapping)
    ]
    return Section('Data', (Table(head, rows), *([Bullets(notes)] if notes else [])))


def _methods(facts: Facts) -> Section:
    material = facts.material
    study = material.study
    how = f'topk with {study.top_k}' if study.aggregation == 'topk' else study.aggregation
    patch = (
        'At patch level units are slides, since patches of a slide are alike.'
        if material.patches_kept
        else f'There are too many patches for intervals at {PATCH} level; those are left out.'
    )
    return Section(
        'How the numbers were made',
        (
            Bullets(
                [
                    f'A slide is its patches put together ({how} of their probabilities); a patient is the '
                    'mean of its slides.',
                    f'{inference.HOW_INTERVALS} {patch}',
                    f'{inference.HOW_COMPARED} The reference is {facts.summary.reference}, the first '
                    'method of the study that is no baseline.',
                    'Temperature: fitted on patches of held-out training slides, applied to patches, '
                    'then put together to slides. It needs two training slides per class or more.',
                    f'{METRIC_NAMES["ece"]} in 15 bins of equal width. {METRIC_NAMES["aurc"]}: area under '
                    'risk against coverage, lower is better.',
                ]
            ),
        ),
    )


def _versions(facts: Facts) -> list[str]:
    found: dict[str, set[str]] = {}
    for run in facts.material.done:
        versions = run.record.about.get('versions', {}) if run.record is not None else {}
        if isinstance(versions, Mapping):
            for name, version in versions.items():
                found.setdefault(str(name), set()).add(str(version))
    used = ', '.join(f'{name} {" and ".join(sorted(found[name]))}' for name in sorted(found))
    return [
        f'Report by cite {cite.__version__}.' + (f' Runs by {used}.' if used else ''),
        f'Study digest {facts.material.study.digest}.',
    ]
