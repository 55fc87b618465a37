"""Approximate search by FAISS (Johnson et al., 2017): lists around centroids, or a graph of neighbours."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cite.errors import ConfigError
from cite.retrieval.units import unit_blocks, unit_rows

PER_LIST = 64
"""Rows per list that k-means learns from; FAISS asks for 39 at least."""
ROUNDS = 10
"""Of k-means."""
NEIGHBOURS, BUILD_EFFORT = 32, 40
"""Links of a row in the graph, and how widely they are searched for."""


def import_faiss() -> Any:
    """The package, or how to get it.

    Raises:
        ConfigError: It is not installed.
    """
    try:
        import faiss
    except ImportError as error:
        raise ConfigError(
            'search among so many features is done by FAISS, which is not installed: '
            "pip install 'cite-pathology[retrieval]'. --index-kind flat (kind='flat') searches "
            'exactly, without it, in time that grows with the number of rows'
        ) from error
    return faiss


class FaissSearcher:
    """An index of FAISS, and how much of it a query looks at.

    Args:
        index: IndexIVFFlat or IndexHNSWFlat, by inner product.
        effort: Lists that a query visits (nprobe), or width of its way through the graph (efSearch).
    """

    def __init__(self, index: Any, effort: int) -> None:
        self.index = index
        self.effort = effort

    @property
    def most(self) -> int:
        """The largest effort that makes sense: at all lists the search is exact."""
        return int(self.index.nlist) if hasattr(self.index, 'nlist') else int(self.index.ntotal)

    def search(
        self, queries: NDArray[np.float32], k: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Cosines and rows (Q, k). Queries whose lists hold fewer than k rows look at more of them."""
        scores, rows = self._search(queries, k, self.effort)
        effort = self.effort
        while effort < self.most and (rows < 0).any():
            effort = min(4 * effort, self.most)
            short = (rows < 0).any(axis=1)
            scores[short], rows[short] = self._search(queries[short], k, effort)
        return scores, rows

    def _search(self, queries: NDArray[np.float32], k: int, effort: int) -> tuple[NDArray, NDArray]:
        faiss = import_faiss()
        if hasattr(self.index, 'nlist'):
            options = faiss.SearchParametersIVF(nprobe=effort)
        else:
            options = faiss.SearchParametersHNSW(efSearch=max(effort, k))
        return self.index.search(queries, k, params=options)


def lists_for(rows: int) -> int:
    """Lists for so many rows: about as many as each of them has rows."""
    return max(1, round(math.sqrt(rows)))


def build_ivf(
    features: NDArray[Any], length: NDArray[Any], lists: int | None, seed: int, progress: bool
) -> tuple[FaissSearcher, dict[str, Any]]:
    """Lists around centroids of k-means on directions, and the parameters for the record."""
    faiss = import_faiss()
    count, dim = features.shape
    lists = min(lists or lists_for(count), count)
    index = faiss.IndexIVFFlat(faiss.IndexFlatIP(dim), dim, lists, faiss.METRIC_INNER_PRODUCT)
    index.cp.niter, index.cp.seed, index.cp.spherical = ROUNDS, seed, True
    index.cp.max_points_per_centroid, index.cp.min_points_per_centroid = PER_LIST, 1
    sample = min(count, PER_LIST * lists)
    rows = np.sort(np.random.default_rng(seed).choice(count, sample, replace=False))
    index.train(unit_rows(features[rows], length[rows]))
    _fill(index, features, length, progress)
    parameters = {'lists': lists, 'trained_on_rows': sample, 'rounds': ROUNDS, 'seed': seed}
    return FaissSearcher(index, 1), parameters


def build_hnsw(
    features: NDArray[Any], length: NDArray[Any], progress: bool
) -> tuple[FaissSearcher, dict[str, Any]]:
    """A graph of neighbours (Malkov & Yashunin, 2016), and the parameters for the record."""
    faiss = import_faiss()
    index = faiss.IndexHNSWFlat(features.shape[1], NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction = BUILD_EFFORT
    for _, block in _blocks(features, length, progress, 'index'):
        index.add(block)
    return FaissSearcher(index, 16), {'neighbours': NEIGHBOURS, 'build_effort': BUILD_EFFORT}


def _fill(index: Any, features: NDArray[Any], length: NDArray[Any], progress: bool) -> None:
    """Puts rows into lists that have their length already: lists that grow take half as much again."""
    faiss = import_faiss()
    of_row = np.empty(len(features), np.int64)
    for rows, block in _blocks(features, length, progress, 'lists'):
        of_row[rows] = index.quantizer.search(block, 1)[1][:, 0]
    for number, rows in enumerate(np.bincount(of_row, minlength=index.nlist).tolist()):
        index.invlists.resize(number, rows)
        index.invlists.resize(number, 0)  # keeps the memory
    for rows, block in _blocks(features, length, progress, 'index'):
        into = faiss.swig_ptr(of_row[rows])
        index.add_core(len(block), faiss.swig_ptr(block), None, into)


def _blocks(
    features: NDArray[Any], length: NDArray[Any], progress: bool, title: str
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    with tqdm(desc=title, total=len(features), unit='row', delay=2, disable=not progress) as bar:
        for rows, block in unit_blocks(features, length):
            yield rows, block
            bar.update(rows.stop - rows.start)


def write(searcher: FaissSearcher, path: Path) -> None:
    """The index as FAISS writes it."""
    import_faiss().write_index(searcher.index, str(path))


def read(path: Path, kind: str, effort: int) -> FaissSearcher:
    """An index that `write` wrote. Lists stay on the disk, mapped into memory.

    FAISS trusts the file: only its size and record are checked before (`load_index`).
    """
    faiss = import_faiss()
    flags = faiss.IO_FLAG_MMAP if kind == 'ivf' and hasattr(faiss, 'OnDiskInvertedLists') else 0
    return FaissSearcher(faiss.read_index(str(path), flags), effort)
