"""What a run leaves: lists of what is kept and what is not, and numbers. No picture is touched."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from cite.atomic import write_json, write_text
from cite.quality.captions import clean_caption
from cite.quality.run import Outcome

DROPPED = ('file', 'row', 'filter', 'reason', 'score', 'match', 'detail')
KEPT_LIST, DROPPED_LIST, RESULTS = 'kept.csv', 'dropped.csv', 'results.json'


def write_outcome(outcome: Outcome, folder: Path, clean_captions: bool = False) -> dict[str, Any]:
    """Writes `kept.csv`, `dropped.csv` and `results.json`; returns what the last holds.

    `kept.csv` has the columns of the input, its rows as they were and in their order; `dropped.csv` has
    the row (counted from 1, without the header) and the filter that dropped it.

    Args:
        clean_captions: Add a column, the captions' own with `_clean` behind it, by `clean_caption`.
    """
    collection = outcome.collection
    header = list(collection.header)
    kept: Iterable[Sequence[str]] = (collection.rows[row] for row in outcome.kept.tolist())
    texts = collection.captions
    if clean_captions and texts is not None:
        column = f'{collection.caption_column}_clean'
        header = [*(name for name in header if name != column), column]
        places = [at for at, name in enumerate(collection.header) if name != column]
        kept = (
            [*(collection.rows[row][at] for at in places), clean_caption(texts[row])]
            for row in outcome.kept.tolist()
        )
    write_text(folder / KEPT_LIST, _csv(header, kept))
    write_text(folder / DROPPED_LIST, _csv(DROPPED, _dropped(outcome)))
    results = results_of(outcome)
    write_json(folder / RESULTS, results)
    return results


def results_of(outcome: Outcome) -> dict[str, Any]:
    """Counts per filter and reason, options, thresholds and what they were measured on."""
    return {
        'source': outcome.collection.source.name,
        'rows': len(outcome.collection),
        'kept': len(outcome.kept),
        'columns': list(outcome.collection.header),
        'captions': outcome.collection.caption_column or None,
        'filters': [
            {
                'filter': step.filter.name,
                'entered': step.entered,
                'dropped': step.dropped,
                'reasons': step.by_reason(),
                'score': step.verdict.score_name or None,
                'threshold': step.verdict.threshold,
                'about': step.verdict.about,
                'notes': step.verdict.notes,
            }
            for step in outcome.steps
        ],
        'notes': list(outcome.notes),
    }


def _dropped(outcome: Outcome) -> list[list[str]]:
    names = outcome.collection.names
    found = []
    for step in outcome.steps:
        verdict = step.verdict
        for place, row in enumerate(step.rows.tolist()):
            if verdict.keep[place]:
                continue
            match = verdict.matches.get(place)
            found.append(
                [
                    names[row],
                    str(row + 1),
                    step.filter.name,
                    verdict.reasons[place],
                    _score(float(verdict.scores[place])),
                    match.name if match else '',
                    verdict.details[place],
                ]
            )
    return found


def _score(value: float) -> str:
    return '' if math.isnan(value) else f'{value:.6g}'


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue()
