"""Features → an index whose kind fits their number, and which knows its own recall."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import cite
from cite.errors import ConfigError
from cite.retrieval.approximate import FaissSearcher, build_hnsw, build_ivf, import_faiss
from cite.retrieval.digest import features_digest
from cite.retrieval.exact import ExactSearcher
from cite.retrieval.index import Index, Searcher
from cite.retrieval.tune import NEAREST, SAMPLE, TARGET, tune
from cite.retrieval.units import check_features, lengths, unit_queries, unit_rows

FLAT = 2**26
"""Numbers (rows × D) up to which a search is exact: 131,072 rows of 512, 15 ms a query on two cores."""
KINDS = ('auto', 'flat', 'ivf', 'hnsw')
METRIC = 'cosine: inner product of vectors of unit length'


def build_index(
    features: NDArray[Any],
    names: Sequence[str] | None = None,
    record: Mapping[str, Any] | None = None,
    kind: str = 'auto',
    *,
    files: Sequence[str] = (),
    target: float = TARGET,
    queries: NDArray[Any] | None = None,
    lists: int | None = None,
    seed: int = 0,
    progress: bool = False,
) -> Index:
    """An index of features, by cosine.

    'flat' holds no copy of the features. 'ivf' and 'hnsw' hold one, made block by block; they measure
    their recall@10 against exact search on 200 of their own rows (each left out of what it is to find),
    and look at more until it is `target`. Of the two, 'ivf' is built in a tenth of the time.

    Args:
        features: (N, D) floating-point numbers of any length, in memory or mapped into it.
        names: Of the rows; default: their numbers.
        record: What is known of the features (`FeatureTable.record`), kept in that of the index.
        kind: 'flat', 'ivf', 'hnsw'; 'auto': 'flat' up to `FLAT` numbers, 'ivf' above.
        files: Where the image of each row lies; default: the names.
        target: Recall@10 that is asked for, at most 1.
        queries: (Q, D) further queries to measure with, of the kind that will be asked, such as texts.
        lists: Of 'ivf'; default: √N.
        seed: Of k-means and of the sample.
        progress: Whether a bar may come after two seconds.

    Raises:
        ConfigError: Another kind, a target beyond (0, 1], or FAISS is needed and not installed.
        DataError: Features that are not finite or of length zero, by row and name.
    """
    if kind not in KINDS or not 0 < target <= 1 or (lists is not None and lists < 1):
        raise ConfigError(
            f'an index needs a kind of {", ".join(KINDS)}, a target in (0, 1] and at least one list; '
            f'found {kind!r}, {target} and {lists}'
        )
    names = [str(row) for row in range(len(features))] if names is None else list(names)
    check_features(features, names)
    count, dim = features.shape
    chosen, why = _choose(kind, count, dim)
    length = lengths(features, names)
    exact = ExactSearcher(features, length)
    found: dict[str, Any] = {'kind': chosen, 'why': why, 'parameters': {}, 'measured': {}}
    searcher: Searcher = exact
    if chosen != 'flat':
        approximate, found['parameters'] = (
            build_ivf(features, length, lists, seed, progress)
            if chosen == 'ivf'
            else build_hnsw(features, length, progress)
        )
        found['measured'] = _measure(approximate, exact, queries, target, seed)
        found['effort'] = approximate.effort
        searcher = approximate
    found |= {
        'metric': METRIC,
        'normalised': True,
        'rows': count,
        'dim': dim,
        'versions': _versions(chosen),
        'features': {
            'digest': features_digest(features, names, record),
            'record': dict(record or {}),
        },
    }
    return Index(searcher, names, found, files)


def _choose(kind: str, rows: int, dim: int) -> tuple[str, str]:
    """The kind, and why."""
    if kind != 'auto':
        return kind, 'asked for'
    if rows * dim <= FLAT:
        return 'flat', f'{rows} × {dim} is at most {FLAT} numbers: exact search is quick'
    return 'ivf', f'{rows} × {dim} is more than {FLAT} numbers: exact search would be slow'


def _measure(
    searcher: FaissSearcher,
    exact: ExactSearcher,
    queries: NDArray[Any] | None,
    target: float,
    seed: int,
) -> dict[str, Any]:
    count, dim = exact.features.shape
    if count < 2:
        return {}
    rows = np.random.default_rng(seed).choice(count, min(SAMPLE, count), replace=False)
    sample = unit_rows(exact.features[rows], exact.length[rows])
    measured = {'own rows': tune(searcher, exact, sample, rows, target, NEAREST)}
    if queries is not None and len(queries):
        measured['queries'] = tune(
            searcher, exact, unit_queries(queries, dim), None, target, NEAREST
        )
    return measured


def _versions(kind: str) -> dict[str, str]:
    found = {'cite': cite.__version__, 'numpy': np.__version__}
    return found if kind == 'flat' else {**found, 'faiss': import_faiss().__version__}
