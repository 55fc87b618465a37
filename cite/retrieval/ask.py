"""Queries and what they find, row by row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError, DataError
from cite.retrieval.index import Index


class Query(NamedTuple):
    """What is searched for: a text, or an image file."""

    text: str = ''
    image: Path | None = None

    @property
    def kind(self) -> str:
        """'text' or 'image'."""
        return 'text' if self.image is None else 'image'

    @property
    def shown(self) -> str:
        """For tables: the text, or the path."""
        return self.text if self.image is None else str(self.image)


class Hit(NamedTuple):
    """A row that was found; `rank` from 1."""

    rank: int
    cosine: float
    row: int


class Answer(NamedTuple):
    """A query and its hits, the nearest first."""

    query: Query
    hits: list[Hit]


def ask(
    index: Index, queries: Sequence[Query], vectors: NDArray[np.float32], k: int
) -> list[Answer]:
    """The k nearest rows of each query; an image that is itself in the index does not find itself.

    Args:
        queries: Q of them.
        vectors: (Q, D) of the queries.
        k: How many; fewer where the index has fewer.
    """
    place: dict[Path, int] = {}
    if any(query.image is not None for query in queries):
        place = {Path(file).resolve(): row for row, file in enumerate(index.files)}
    scores, rows = index.search(vectors, k + 1 if place else k)
    answers = []
    for query, cosines, found in zip(queries, scores.tolist(), rows.tolist(), strict=True):
        own = -1 if query.image is None else place.get(query.image.resolve(), -1)
        kept = [(c, row) for c, row in zip(cosines, found, strict=True) if row not in (own, -1)]
        answers.append(
            Answer(query, [Hit(rank, c, row) for rank, (c, row) in enumerate(kept[:k], 1)])
        )
    return answers


def read_queries(path: Path) -> list[str]:
    """Texts of a UTF-8 file, one per line; empty lines are skipped.

    Raises:
        DataError: No such file, not UTF-8, or no text in it.
    """
    try:
        lines = path.read_text('utf-8-sig').splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f'{path}: queries must be UTF-8 text, one per line ({error})') from error
    except OSError as error:
        raise DataError(f'{path}: {error.strerror or error}') from error
    found = [line.strip() for line in lines if line.strip()]
    if not found:
        raise DataError(f'{path}: no queries in it; write one per line')
    return found


def queries_of(texts: Sequence[str], images: Sequence[Path]) -> list[Query]:
    """Texts, then images; what is given twice is asked once.

    Raises:
        ConfigError: An empty text.
        DataError: A query image that is not there.
    """
    if not all(text.strip() for text in texts):
        raise ConfigError('a query is empty; write what to search for')
    for image in images:
        if not image.is_file():
            raise DataError(f'query image {image}: no such file')
    once = dict.fromkeys([*(Query(text) for text in texts), *(Query('', i) for i in images)])
    return list(once)
