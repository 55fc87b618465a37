"""Results by group of stain as a table and as files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from cite.atomic import write_text
from cite.evaluation.groups import gap
from cite.experiments.names import short_names
from cite.experiments.stain_groups import Density, StainGroup

LEVELS = (
    ('patch', 'balanced_accuracy'),
    ('patch', 'auroc'),
    ('slide', 'balanced_accuracy'),
    ('slide', 'auroc'),
)
HEADERS = ('patch BA', 'AUROC', 'slide BA', 'AUROC')


def groups_table(groups: Sequence[StainGroup]) -> str:
    """Aligned text: a line per group, the gap between best and worst, and what to be careful of."""
    classes = list(groups[0].results.slides_per_class)
    rows = [['group', 'tissue', 'patches', 'slides', 'of each class', *HEADERS]]
    for group in groups:
        counts = ' / '.join(str(n) for n in group.results.slides_per_class.values())
        cells = [group.name, group.colour, str(group.results.metrics['patch']['n'])]
        rows.append([*cells, str(len(group.results.slides)), counts, *_values(group)])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        left = [row[0].ljust(widths[0]), row[1].ljust(widths[1])]
        right = [cell.rjust(width) for cell, width in zip(row[2:], widths[2:], strict=True)]
        lines.append('  '.join([*left, *right]))
    lines.insert(1, '-' * len(lines[0]))
    return '\n'.join([*lines, '', *_notes(groups, short_names(classes, 20))])


def write_groups(groups: Sequence[StainGroup], folder: Path) -> None:
    """`stain_groups.csv`, a line per group, and `stain_slides.csv`, a line per slide; atomic."""
    densities = ['od_red', 'od_green', 'od_blue']
    classes = list(groups[0].results.slides_per_class)
    rows: list[list[object]] = [
        ['group', 'colour', *densities, 'slides', 'patches', *(f'slides of {c}' for c in classes)]
    ]
    rows[0] += [f'{level}_{key}' for level, key in LEVELS]
    slides: list[list[object]] = [['slide', 'group', *densities]]
    for group in groups:
        counts = group.results.slides_per_class.values()
        numbers = [len(group.results.slides), group.results.metrics['patch']['n'], *counts]
        scores = [group.results.metrics[level][key] for level, key in LEVELS]
        rows.append(
            [group.name, group.colour, *_digits(group.density), *numbers]
            + ['' if score is None else f'{score:.6f}' for score in scores]
        )
        for slide in group.results.slides:
            slides.append([slide, group.name, *_digits(group.of_slides.get(slide))])
    for name, content in (('stain_groups.csv', rows), ('stain_slides.csv', slides)):
        text = io.StringIO(newline='')
        csv.writer(text, lineterminator='\n').writerows(content)
        write_text(folder / name, text.getvalue())


def _values(group: StainGroup) -> list[str]:
    scores = [group.results.metrics[level][key] for level, key in LEVELS]
    return ['-' if score is None else f'{score:.3f}' for score in scores]


def _digits(density: Density | None) -> list[str]:
    return [''] * 3 if density is None else [f'{value:.4f}' for value in density]


def _notes(groups: Sequence[StainGroup], classes: Sequence[str]) -> list[str]:
    notes = [f'BA: balanced accuracy. Slides of each class: {" / ".join(classes)}.']
    whole = [group.results for group in groups if not group.results.missing]
    for level in ('patch', 'slide'):
        found = gap(whole, level, 'balanced_accuracy')
        if found:
            best, worst, difference = found
            notes.append(
                f'Gap in balanced accuracy by {level}: {difference:.3f} ({best} best, {worst} worst).'
            )
    if len(whole) < 2:
        notes.append('No gap is given: less than two groups have slides of every class.')
    full = dict(zip(groups[0].results.slides_per_class, classes, strict=True))
    for group in groups:
        if group.results.missing:
            lacking = ', '.join(full[name] for name in group.results.missing)
            notes.append(
                f'{group.name} has no slide of {lacking}: its balanced accuracy is over the other '
                'classes, and has no part in the gap.'
            )
    notes.append('Groups may differ in tissue as well as in stain, and small ones by chance.')
    return notes
