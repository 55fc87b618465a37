"""The files of a zero-shot run: predictions.parquet, results.json, templates.csv."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np

from cite.atomic import replacing, write_json, write_text
from cite.evaluation.predictions import METADATA_KEY
from cite.inference.question import versions
from cite.zeroshot.findings import Findings

PREDICTIONS, RESULTS, TEMPLATES = 'predictions.parquet', 'results.json', 'templates.csv'


def write_results(found: Findings, folder: str | Path) -> list[Path]:
    """Writes the three files into a folder, which is made."""
    folder = Path(folder)
    write_predictions(found, folder / PREDICTIONS)
    write_text(folder / TEMPLATES, templates_csv(found))
    write_json(folder / RESULTS, results_of(found))
    return [folder / name for name in (PREDICTIONS, TEMPLATES, RESULTS)]


def write_predictions(found: Findings, path: Path) -> None:
    """A row per image: file[, slide, label, truth], pred, predicted, p_<class>…, cosine_<class>….

    `label` and `pred` are numbers of classes, `truth` and `predicted` their names. With labels it is a file
    that `cite.evaluation.Predictions.from_parquet` reads.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    scores = found.scores
    classes = np.array(scores.classes.names)
    columns: dict[str, Any] = {'file': list(found.names)}
    labels = found.labels
    if found.table is not None and labels is not None:
        columns |= {
            'slide': found.table.slides.tolist(),
            'label': labels,
            'truth': classes[labels].tolist(),
        }
        if found.table.patients is not None:
            columns['patient'] = found.table.patients.tolist()
    columns |= {'pred': scores.predicted, 'predicted': classes[scores.predicted].tolist()}
    for kind, values in (('p', scores.probabilities), ('cosine', scores.cosines)):
        for index, name in enumerate(scores.classes.names):
            columns[f'{kind}_{name}'] = np.ascontiguousarray(values[:, index])
    metadata = {METADATA_KEY: json.dumps({'classes': scores.classes.names}).encode()}
    table = pa.table(columns).replace_schema_metadata(metadata)
    with replacing(path) as temporary:
        pq.write_table(table, temporary)


def results_of(found: Findings) -> dict[str, Any]:
    """What `results.json` holds: metrics per level, record of the run, templates, warnings, versions."""
    scores = found.scores
    counts = np.bincount(scores.predicted, minlength=len(scores.classes))
    return {
        'title': f'zero-shot, {scores.record["space"]}',
        'images': len(found.names),
        'predicted': dict(zip(scores.classes.names, counts.tolist(), strict=True)),
        **found.metrics,
        'intervals': found.intervals,
        'templates': [row.plain() for row in found.templates],
        'warnings': found.warnings,
        'zero_shot': dict(scores.record),
        'versions': versions(),
    }


def templates_csv(found: Findings) -> str:
    """A row per template, the ensemble last; empty cells are not defined."""
    rows = [row.plain() for row in found.templates]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator='\n')
    writer.writeheader()
    for row in rows:
        writer.writerow({k: f'{v:.6g}' if isinstance(v, float) else v for k, v in row.items()})
    return text.getvalue()
