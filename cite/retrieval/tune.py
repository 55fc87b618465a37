"""How much an approximate index must look at: measured against exact search, raised until it is enough."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cite.retrieval.approximate import FaissSearcher
from cite.retrieval.exact import ExactSearcher

TARGET, NEAREST, SAMPLE = 0.95, 10, 200
"""Recall that is asked for, of how many nearest rows, measured on how many queries."""


def tune(
    searcher: FaissSearcher,
    exact: ExactSearcher,
    queries: NDArray[np.float32],
    own: NDArray[np.int64] | None = None,
    target: float = TARGET,
    k: int = NEAREST,
) -> dict[str, Any]:
    """Doubles the effort of the searcher until recall@k is at least `target`, by two standard errors.

    Recall is the share of the k nearest rows that is found, the mean over queries. The effort is never
    lowered, so an index can be tuned for several kinds of queries, one after the other: texts lie
    elsewhere than images (Liang et al., 2022, "Mind the Gap"), and may need more.

    Args:
        searcher: Its effort is raised in place.
        exact: Over the same rows.
        queries: (Q, D) of unit length, of the kind that will be asked.
        own: (Q,) rows that are the queries themselves, left out of what is to be found.
        target: Between 0 and 1. At 1 every one of the nearest rows must be found.
        k: How many nearest rows.

    Returns:
        For the record: effort, recall, its standard error, target, whether it was reached, k, queries.
    """
    extra = own is not None
    k = min(k, len(exact.features) - extra)
    _, wanted = exact.search(queries, k + extra)
    while True:
        _, found = searcher.search(queries, k + extra)
        shares = np.array(
            [
                _share(w, f, k, None if own is None else own[q])
                for q, (w, f) in _pairs(wanted, found)
            ]
        )
        error = float(shares.std() / np.sqrt(len(shares)))
        reached = float(shares.mean()) - 2 * error >= target or searcher.effort >= searcher.most
        reached &= float(shares.mean()) >= target
        if reached or searcher.effort >= searcher.most:
            return {
                'effort': searcher.effort,
                f'recall@{k}': round(float(shares.mean()), 4),
                'standard_error': round(error, 4),
                'target': target,
                'reached': bool(reached),
                'queries': len(queries),
            }
        searcher.effort = min(2 * searcher.effort, searcher.most)


def _pairs(wanted: NDArray, found: NDArray) -> Any:
    return enumerate(zip(wanted.tolist(), found.tolist(), strict=True))


def _share(wanted: list[int], found: list[int], k: int, own: int | None) -> float:
    """Share of the k nearest rows, without the query itself, that is among the k found."""
    right, hits = ([row for row in rows if row != own][:k] for rows in (wanted, found))
    return len(set(right) & set(hits)) / max(1, k)
