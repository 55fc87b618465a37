"""What `cite retrieve` does once it has vectors: search, files of hits, figures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from cite.atomic import replacing
from cite.errors import ConfigError
from cite.inference import FeatureTable
from cite.retrieval.ask import Answer, Query, ask
from cite.retrieval.build import build_index
from cite.retrieval.collection import Collection
from cite.retrieval.index import Index
from cite.retrieval.metrics import image_metrics, pair_metrics
from cite.retrieval.show import Found, hits_sheet, hits_text, write_hits

HITS_TABLE, HITS_SHEET, HITS_RECORD = 'hits.csv', 'hits.png', 'hits.json'
"""What is left of queries; the last says of which model, index and queries the others are."""
EVALUATION = 'evaluation.json'
"""What is left of an evaluation, with its own model and index."""


class Captions(NamedTuple):
    """Texts that an image can find: each caption once, its vector (M, D), its group (M,)."""

    texts: list[str]
    vectors: NDArray[Any]
    groups: NDArray[np.int64]


def search(
    index: Index,
    queries: Sequence[Query],
    vectors: NDArray[Any],
    k: int,
    images: Collection | None = None,
    captions: Captions | None = None,
) -> list[tuple[list[Answer], Found]]:
    """Texts find images; images find images or, where there are captions, captions.

    Args:
        index: Of the images.
        queries: Q of them.
        vectors: (Q, D).
        k: Hits of each.
        images: What is known of the images of the index.
        captions: What images find in place of images.
    """
    labels = [] if images is None else images.labels
    notes = [] if images is None else images.notes
    known = dict(zip(map(Path, index.files), labels, strict=True)) if labels else {}
    of_captions = [captions is not None and query.image is not None for query in queries]
    parts: list[tuple[list[Answer], Found]] = []
    for to_captions in (False, True):
        rows = [row for row, other in enumerate(of_captions) if other == to_captions]
        asked = [queries[row] for row in rows]
        if asked and to_captions and captions is not None:
            texts = build_index(captions.vectors, captions.texts)
            own = dict(zip(map(Path, index.files), notes, strict=True)) if notes else {}
            found = Found('caption', captions.texts, labels=own)
            parts.append((ask(texts, asked, vectors[rows], k), found))
        elif asked:
            found = Found('image', index.names, index.files, notes, known)
            parts.append((ask(index, asked, vectors[rows], k), found))
    return parts


def remove_hits(out: Path) -> None:
    """Takes away what earlier queries left in a folder, so that no part of it stands beside later ones."""
    for name in (HITS_RECORD, HITS_TABLE, HITS_SHEET):
        (out / name).unlink(missing_ok=True)


def report_hits(
    parts: Sequence[tuple[Sequence[Answer], Found]], k: int, out: Path, title: str
) -> str:
    """Writes `hits.csv` and `hits.png`; gives the table for the terminal."""
    told = []
    for answers, found in parts:
        told.append(hits_text(answers, found))
        fewest = min(len(answer.hits) for answer in answers)
        if fewest < k:
            told.append(f'{k} hits were asked for; there are no more than {fewest}')
    write_hits(parts, out / HITS_TABLE)
    sheet, left_out = hits_sheet(parts, title)
    with replacing(out / HITS_SHEET) as place:
        sheet.save(place, format='png')
    if left_out:
        told.append(f'{left_out} queries have no place on {HITS_SHEET}; {HITS_TABLE} has them')
    return '\n\n'.join(told)


def evaluate(
    images: Collection, table: FeatureTable, captions: Captions | None, max_queries: int | None
) -> dict[str, dict[str, float]]:
    """`pair_metrics` where there are captions, else `image_metrics` of the labels."""
    if captions is not None and images.pairs is not None:
        groups = images.pairs.groups
        return pair_metrics(
            table.features,
            captions.vectors,
            groups,
            captions.groups,
            max_queries=max_queries,
            progress=True,
        )
    if images.table is None:
        raise ConfigError('nothing is known of the images that retrieval could be measured by')
    found = image_metrics(
        table.features,
        images.table.labels,
        images.apart,
        max_queries=max_queries,
        progress=True,
    )
    return {'image_to_image': found}


def vectors_of_rows(
    queries: Sequence[Query], table: FeatureTable, index: Index
) -> NDArray[np.float32]:
    """(Q, D) of query images that are among the features, where there is no model.

    Raises:
        ConfigError: One that is not.
    """
    place = {Path(file).resolve(): row for row, file in enumerate(index.files)}
    rows = [-1 if q.image is None else place.get(q.image.resolve(), -1) for q in queries]
    if -1 in rows:
        raise ConfigError(
            f'{queries[rows.index(-1)].shown} is not among the images of --features; give the model as '
            'well, which encodes it'
        )
    return np.asarray(table.features[rows], np.float32)
