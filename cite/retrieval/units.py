"""Features at unit length, block by block: their products are cosines, and no second copy is held."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cite.errors import DataError

BLOCK = 2**22
"""Numbers of features that are worked on at a time: 16 MiB in float32."""


def check_features(features: NDArray[Any], names: Sequence[str]) -> None:
    """Refuses what is no table of features, and names of another number.

    Raises:
        DataError: Another shape or type, no rows, or names that do not fit.
    """
    if features.ndim != 2 or not features.size or not np.issubdtype(features.dtype, np.floating):
        raise DataError(
            'expected features as floating-point numbers (rows, D), at least one; found '
            f'{features.dtype} of {features.shape}'
        )
    if len(names) != len(features):
        raise DataError(f'{len(features)} rows of features, but {len(names)} names')


def row_blocks(features: NDArray[Any]) -> Iterator[slice]:
    """Slices of rows, of about `BLOCK` numbers each."""
    rows = max(1, BLOCK // features.shape[1])
    for start in range(0, len(features), rows):
        yield slice(start, min(start + rows, len(features)))


def lengths(features: NDArray[Any], names: Sequence[str], what: str = 'features') -> NDArray[Any]:
    """Length of each row, (N,) float32.

    Args:
        features: (N, D), in memory or mapped into it.
        names: Of the rows, for messages.
        what: The features, for messages.

    Raises:
        DataError: Rows that are not finite or of length zero, which have no direction.
    """
    found = np.empty(len(features), np.float64)
    for rows in row_blocks(features):
        block = np.asarray(features[rows], np.float64)
        found[rows] = np.sqrt(np.einsum('nd,nd->n', block, block))
    # of features in float32 the sum of squares is finite where they are
    for wrong, why in ((~np.isfinite(found), 'not finite'), (found == 0, 'all zero')):
        rows_of = wrong.nonzero()[0]
        if len(rows_of):
            told = ', '.join(f'row {row} ({names[row]})' for row in rows_of[:5].tolist())
            more = f' … ({len(rows_of)} in all)' if len(rows_of) > 5 else ''
            raise DataError(f'{what} that are {why}: {told}{more}; they have no direction')
    return found.astype(np.float32) if found.min() > 1e-30 and found.max() < 1e30 else found


def unit_blocks(
    features: NDArray[Any], length: NDArray[Any]
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Rows, and those features at unit length: float32, contiguous."""
    for rows in row_blocks(features):
        yield rows, unit_rows(features[rows], length[rows])


def unit_rows(features: NDArray[Any], length: NDArray[Any]) -> NDArray[np.float32]:
    """Features (N, D) divided by their lengths (N,), as float32."""
    return np.ascontiguousarray(np.asarray(features) / length[:, None], np.float32)


def unit_queries(queries: NDArray[Any], dim: int) -> NDArray[np.float32]:
    """Queries (Q, D) at unit length.

    Raises:
        DataError: Another shape, or queries without a direction.
    """
    queries = np.asarray(queries)
    if queries.ndim != 2 or queries.shape[1] != dim:
        raise DataError(
            f'the index holds features of {dim} numbers, so it needs queries (Q, {dim}); found '
            f'{queries.shape}. They must come from the model that made the features'
        )
    if not len(queries):
        return np.empty((0, dim), np.float32)
    return unit_rows(
        queries, lengths(queries, [str(row) for row in range(len(queries))], 'queries')
    )
