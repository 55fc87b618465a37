"""All pieces of an extraction → the feature file, its table of ids, its record.

Nobody is in charge: whoever sees all pieces joins them. Two that do so at once write the same bytes, each
beside the place, and put them there by renaming; the record comes last, and only then the pieces go.
"""

from __future__ import annotations

import csv
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cite.atomic import write_json
from cite.errors import DataError
from cite.inference.feature_files import FORMATS
from cite.inference.parts import Parts
from cite.inference.question import Question, versions


@dataclass(frozen=True)
class Extracted:
    """What has come of an extraction.

    Attributes:
        out: The feature file.
        rows: How many features are in it; 0 while pieces are missing.
        skipped: File that could not be read → why.
        missing: Numbers of the pieces that other shards have yet to bring; with any, there is no file yet.
        record: What the JSON file beside the features says.
    """

    out: Path
    rows: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    missing: tuple[int, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)


def ids_of(out: Path) -> Path:
    """The table of ids: row and file."""
    return out.with_name(f'{out.name}.csv')


def record_of(out: Path) -> Path:
    """The record: model, precision, preprocessing, versions, images that were left out."""
    return out.with_name(f'{out.name}.json')


def finished(out: Path, question: Question) -> Extracted | None:
    """What stands there already, where it is the answer to that question."""
    try:
        record = json.loads(record_of(out).read_text('utf-8'))
        same = record['question'] == question.key and record['bytes'] == out.stat().st_size
        if not same or not ids_of(out).is_file():
            return None
        return Extracted(out, record['rows'], dict(record['skipped']), (), record)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def join(parts: Parts, out: Path) -> Extracted:
    """Writes features, ids and record from pieces that are all there.

    Raises:
        DataError: A piece is damaged.
    """
    place = parts.folder / f'join-{uuid.uuid4().hex}'  # in a container, process ids repeat
    try:
        place.mkdir(parents=True)
        done = _join(parts, out, place)
    except FileNotFoundError:  # the pieces went, because another process was quicker
        other = finished(out, parts.question)
        if other is None:
            raise
        return other
    parts.clear()
    return done


def _join(parts: Parts, out: Path, place: Path) -> Extracted:
    question = parts.question
    rows, skipped = 0, {}
    for chunk in _all(parts):
        rows += len(chunk.rows)
        skipped.update({question.files[row]: why for row, why in chunk.skipped.items()})
    features, ids = place / f'features{out.suffix}', place / 'ids.csv'
    with ids.open('w', newline='', encoding='utf-8') as file:
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['row', 'file'])

        def blocks() -> Iterator[tuple[list[str], np.ndarray]]:
            row = 0
            for chunk in _all(parts):
                names = [question.names[number] for number in chunk.rows]
                table.writerows(enumerate(names, row))
                row += len(names)
                yield names, chunk.features.numpy()

        FORMATS[out.suffix](features, blocks(), rows, question.about['feature_dim'])
    record = {
        'file': out.name,
        'rows': rows,
        'dtype': 'float32',
        **question.about,
        'versions': versions(),
        'skipped': skipped,
        'bytes': features.stat().st_size,
        'question': question.key,
    }
    _drop_other_record(out, question)
    features.replace(out)
    ids.replace(ids_of(out))
    write_json(record_of(out), record)
    return Extracted(out, rows, skipped, (), record)


def _all(parts: Parts) -> Iterator[Any]:
    try:
        yield from parts.all()
    except FileNotFoundError:
        raise
    except Exception as error:  # a foreign file can be damaged in many ways
        raise DataError(
            f'{parts.folder}: a piece is damaged ({error}); run the command again, without --merge'
        ) from error


def _drop_other_record(out: Path, question: Question) -> None:
    """A record of another question must not stand beside features that it does not describe."""
    try:
        same = json.loads(record_of(out).read_text('utf-8'))['question'] == question.key
    except (OSError, ValueError, KeyError, TypeError):
        same = False
    if not same:
        record_of(out).unlink(missing_ok=True)
