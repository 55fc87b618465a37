"""All that a zero-shot run has found, for the files, the page and the terminal alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cite.data.table import PatchTable, some
from cite.encoders.zoo import PAIRS
from cite.zeroshot.intervals import Ends, intervals
from cite.zeroshot.measuring import has_slides, measure, notes
from cite.zeroshot.scores import ZeroShotScores
from cite.zeroshot.templates import TemplateRow, template_rows

SEEN = {
    'pathology': ('pathology',),
    'dermatology': ('dermatology',),
    'retina': ('fundus',),
    'radiology': ('chest x-ray', 'ct', 'mri', 'ultrasound'),
}
"""What pairs learned from (`PairCard.domain`) → the domains of prompts that fit; others saw several."""


@dataclass(frozen=True, eq=False)
class Findings:
    """Scores of N images and what came of them.

    Attributes:
        scores: Of the images, in the order of `names`.
        names: N names.
        files: N paths, for pictures.
        table: Labels, or None.
        metrics: Level → metrics; {} without labels.
        intervals: Level → metric → ends of its 95 % interval, of those that have one.
        templates: A row per template, the ensemble last.
        warnings: What a reader should know before using the numbers.
    """

    scores: ZeroShotScores
    names: Sequence[str]
    files: Sequence[Path]
    table: PatchTable | None
    metrics: dict[str, dict[str, Any]]
    intervals: Ends
    templates: list[TemplateRow]
    warnings: list[str]

    @property
    def labels(self) -> np.ndarray | None:
        """(N,) int64 index of each image's class, or None."""
        return None if self.table is None else self.scores.classes.labels_of(self.table)

    @property
    def level(self) -> str:
        """What one image is called: 'patch' beside slides, else 'image'."""
        return 'patch' if self.table is not None and has_slides(self.table) else 'image'


def find(
    scores: ZeroShotScores, names: Sequence[str], files: Sequence[Path], table: PatchTable | None
) -> Findings:
    """Metrics, the table of templates and the warnings of scores.

    Args:
        names, files, table: Of the rows of `scores`, in their order.

    Raises:
        DataError: Labels that do not fit the classes.
    """
    metrics = {} if table is None else measure(scores, table)
    ends = {} if table is None else intervals(scores, table, list(metrics))
    templates = template_rows(scores, table)
    told = [] if table is None else notes(scores, table)
    warnings = told + _warnings(scores, metrics)
    return Findings(scores, names, files, table, metrics, ends, templates, warnings)


def _warnings(scores: ZeroShotScores, metrics: dict[str, dict[str, Any]]) -> list[str]:
    classes = scores.classes.names
    found = []
    given = np.bincount(scores.predicted, minlength=len(classes))
    empty = [name for name, count in zip(classes, given, strict=True) if not count]
    if empty:
        found.append(
            f'no image was given to {len(empty)} of {len(classes)} classes: {_some(empty)}. A text that '
            'the model does not understand, or a word for something else, does that; try another text'
        )
    if metrics:
        unseen = metrics['patch']['missing_classes']
        if unseen:
            found.append(
                f'no image is labelled {_some(unseen)}: these take predictions from the others, and are '
                'left out of balanced accuracy and AUROC'
            )
    card = PAIRS.get(str(scores.record.get('space', '')))
    prompts = scores.record['prompts']
    fitting = SEEN.get(card.domain) if card else None
    if card and fitting and prompts['domain'] not in (*fitting, 'general'):
        found.append(
            f'{card.name} learned from {card.domain}, and the prompts {prompts["name"]} are for '
            f'{prompts["domain"]}'
        )
    return found


def _some(names: Sequence[str], most: int = 60) -> str:
    """The first of them, none longer than a line."""
    return some([name if len(name) <= most else f'{name[: most - 1]}…' for name in names])
