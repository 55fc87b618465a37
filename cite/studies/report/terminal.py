"""The report of a study in a few lines, for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from cite.evaluation.table import printable
from cite.pages.terminal import WIDTH, aligned
from cite.studies.report.facts import Facts
from cite.studies.report.gather import MAIN_LEVEL, MAIN_METRIC
from cite.studies.report.results import shots_table


def terminal_text(facts: Facts, warnings: Sequence[str], page: Path) -> str:
    """What is done, balanced accuracy of slides, the warnings, and where the page is."""
    material = facts.material
    table = shots_table(facts, MAIN_METRIC, MAIN_LEVEL)
    return '\n'.join(
        [
            f'{printable(material.study.name)}: {len(material.done)} of {len(material.runs)} runs done',
            '',
            f'balanced accuracy, {facts.units} slides, mean [95 % interval]',
            *aligned(table, note=False),
            table.note,
            *(['', 'warnings:'] if warnings else []),
            *(_wrapped(printable(sentence)) for sentence in warnings),
            '',
            f'report: {page}',
        ]
    )


def _wrapped(sentence: str) -> str:
    return textwrap.fill(sentence, WIDTH, initial_indent='- ', subsequent_indent='  ')
