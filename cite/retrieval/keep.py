"""An index that is kept beside its features, and built again where they are others."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cite.errors import ConfigError, DataError
from cite.inference import FeatureTable
from cite.retrieval.approximate import FaissSearcher
from cite.retrieval.build import build_index
from cite.retrieval.digest import features_digest
from cite.retrieval.exact import ExactSearcher
from cite.retrieval.folder import load_index, read_record, save_index
from cite.retrieval.index import Index
from cite.retrieval.tune import NEAREST, TARGET, tune
from cite.retrieval.units import lengths, unit_queries

SAME = ('model', 'digest', 'tuning_digest', 'after_digest', 'feature_dim')
"""What of their records tells features of one model from those of another."""


def kept_index(
    table: FeatureTable,
    files: Sequence[str],
    folder: Path,
    kind: str = 'auto',
    chosen: bool = False,
    target: float = TARGET,
    progress: bool = False,
) -> tuple[Index, str]:
    """The index in a folder where it is of these features, else a new one, which is kept there.

    Args:
        table: The features.
        files: Where the image of each row lies.
        folder: Of the index.
        kind: As `build_index` takes it; an index that is there may be of any kind for 'auto'.
        chosen: Whether a person named the folder: then an index of another model is not replaced.
        target: Recall@10 of a new index.
        progress: Whether bars may come after two seconds.

    Returns:
        The index, and what became of the folder, for the terminal.

    Raises:
        ConfigError: A chosen folder with an index of another model.
        DataError: Features that cannot be searched.
    """
    told = 'built'
    if (folder / 'index.json').exists():
        try:
            _refuse_other(table, folder, chosen)
            digest = features_digest(table.features, table.names, table.record)
            found = load_index(folder, digest)
            if kind in ('auto', found.kind):
                return Index(found.searcher, found.names, found.record, files), 'used again'
            told = f'built again, as {kind}'
        except DataError as error:
            told = f'built again ({error})'
    index = build_index(
        table.features,
        table.names,
        table.record,
        kind,
        files=files,
        target=target,
        progress=progress,
    )
    save_index(index, folder)
    return index, told


def tune_for(
    index: Index, table: FeatureTable, queries: NDArray[Any], target: float = TARGET
) -> dict[str, Any]:
    """Measures an approximate index with the queries themselves, and has it look at more where needed.

    Returns:
        As `tune`; {} for an exact index.
    """
    if not isinstance(index.searcher, FaissSearcher):
        return {}
    exact = ExactSearcher(table.features, lengths(table.features, table.names))
    asked = unit_queries(np.asarray(queries)[:200], index.dim)
    return tune(index.searcher, exact, asked, None, target, NEAREST)


def _refuse_other(table: FeatureTable, folder: Path, chosen: bool) -> None:
    """An index of another model in a chosen folder is somebody's."""
    old = read_record(folder)
    record = {**old['features']['record'], 'feature_dim': old['dim']}
    here = {**table.record, 'feature_dim': table.features.shape[1]}
    other = [key for key in SAME if record.get(key) != here.get(key)]
    if chosen and other:
        said = ', '.join(f'{key} {record.get(key)} (here {here.get(key)})' for key in other)
        raise ConfigError(
            f'index {folder} is of another model: {said}. Use that model, or name another folder'
        )
