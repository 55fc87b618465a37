"""What each template gives by itself, beside all of them: a description, not a choice.

A template that is chosen because it does best on the patches that it is then reported on gives an
optimistic figure; the choice has to be made on other patches.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cite.data.table import PatchTable
from cite.zeroshot.measuring import measure_cosines
from cite.zeroshot.scores import ZeroShotScores

ENSEMBLE = 'ensemble'
METRICS = ('balanced_accuracy', 'accuracy', 'weighted_f1', 'auroc')


@dataclass(frozen=True)
class TemplateRow:
    """One template, or the ensemble of all.

    Attributes:
        template: The sentence with `{}`, or 'ensemble'.
        metrics: `METRICS` of patches, fractions; None where they are not defined, {} without labels.
        agreement: Share of the images that get the ensemble's class.
        spread: Entropy of the predicted classes over that of equal shares: 0 where all images get one
            class, 1 where all classes get as many.
    """

    template: str
    metrics: dict[str, float | None]
    agreement: float
    spread: float

    @property
    def is_ensemble(self) -> bool:
        """Whether it stands for all templates."""
        return self.template == ENSEMBLE

    def plain(self) -> dict[str, Any]:
        """Columns of `templates.csv`."""
        return {
            'template': self.template,
            **self.metrics,
            'agreement': self.agreement,
            'spread': self.spread,
        }


def template_rows(scores: ZeroShotScores, table: PatchTable | None = None) -> list[TemplateRow]:
    """A row per template in their order, then one of the ensemble.

    Args:
        table: Labels of the images; without it there are no metrics.

    Raises:
        DataError: Labels that do not fit, see `measure`.
    """
    from tqdm import tqdm

    predicted = scores.predicted
    rows = []

    def each() -> Iterator[tuple[str, np.ndarray]]:
        yield from scores.per_template()
        yield ENSEMBLE, scores.cosines

    total = len(scores.templates) + 1
    for template, cosines in tqdm(each(), total=total, desc='templates', delay=2):
        own = cosines.argmax(axis=1)
        metrics = {}
        if table is not None:
            found = measure_cosines(scores, cosines, table)
            metrics = {key: found[key] for key in METRICS}
        agreement = 1.0 if template == ENSEMBLE else float((own == predicted).mean())
        rows.append(TemplateRow(template, metrics, agreement, _spread(own, len(scores.classes))))
    return rows


def best_and_worst(rows: Sequence[TemplateRow]) -> tuple[TemplateRow, TemplateRow] | None:
    """By balanced accuracy, without the ensemble; None without labels, or where all are as good."""
    single = [row for row in rows if row.metrics and not row.is_ensemble]

    def value(row: TemplateRow) -> float:
        return row.metrics['balanced_accuracy'] or 0.0

    if len(set(map(value, single))) < 2:
        return None
    return max(single, key=value), min(single, key=value)


def _spread(predicted: np.ndarray, classes: int) -> float:
    share = np.bincount(predicted, minlength=classes) / len(predicted)
    share = share[share > 0]
    return float(max(0.0, -(share * np.log(share)).sum() / np.log(classes)))
