"""`Index`: rows by cosine, with the names of the rows and the record of what the index is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError
from cite.retrieval.units import unit_queries


class Searcher(Protocol):
    """Finds rows: `ExactSearcher`, `FaissSearcher`."""

    effort: Any

    def search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Unit queries (Q, D) → cosines and rows (Q, k) for k ≤ N."""


@dataclass(frozen=True, eq=False)
class Index:
    """Features that can be searched; made by `build_index`, or read by `load_index`.

    Attributes:
        searcher: What searches.
        names: What each row is called.
        files: Where the image of each row lies; the names where that is not known.
        record: Kind, parameters and why, metric, rows, dim, versions, what was measured, the features.
    """

    searcher: Searcher
    names: Sequence[str]
    record: dict[str, Any]
    files: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        object.__setattr__(self, 'files', list(self.files) or list(self.names))

    def __len__(self) -> int:
        return len(self.names)

    @property
    def kind(self) -> str:
        """'flat' (exact), 'ivf' or 'hnsw'."""
        return str(self.record['kind'])

    @property
    def dim(self) -> int:
        """Length of the features."""
        return int(self.record['dim'])

    def search(
        self, queries: NDArray[Any], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """The rows that are most similar to each query, the nearest first.

        Args:
            queries: (Q, D) of the same model, of any length.
            k: How many; where there are only N rows, N are given.

        Returns:
            Cosines (Q, min(k, N)) and rows of the same shape. A graph (kind 'hnsw') that does not reach
            k rows has -1 in their place, at the end, and -inf as their cosines.

        Raises:
            ConfigError: k below 1.
            DataError: Queries of another shape, not finite or of length zero.
        """
        if k < 1:
            raise ConfigError(f'a search gives k rows, at least 1; found k={k}')
        scores, rows = self.searcher.search(unit_queries(queries, self.dim), min(k, len(self)))
        scores[rows < 0] = -np.inf
        return scores, rows
