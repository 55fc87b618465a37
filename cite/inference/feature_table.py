"""A file of features, as `extract` writes it, read again: features, names, record."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cite.errors import DataError
from cite.inference.feature_files import check_suffix
from cite.inference.join import ids_of, record_of

SHOWN = 5
"""Names in a message."""


@dataclass(frozen=True, eq=False)
class FeatureTable:
    """Features of many images.

    Attributes:
        features: (N, D) float32; of a `.npy` file mapped into memory, and read-only.
        names: What each row is called; no name comes twice in a file of ours.
        record: Model, preprocessing, precision, versions; {} where no record lies beside the file.
    """

    features: np.ndarray
    names: list[str]
    record: dict[str, Any]

    def __len__(self) -> int:
        return len(self.names)

    def rows_of(self, names: Sequence[str]) -> np.ndarray:
        """The row of each name, (len(names),) int64.

        Names of a folder may be written from another place: `a/1.png` is `tiles/a/1.png`, where that holds
        of all of them.

        Raises:
            DataError: Names that the file does not have.
        """
        place = {name: row for row, name in enumerate(self.names)}
        if names and names[0] not in place:
            start = _start(self.names, names[0])
            moved = [f'{start}{name}' for name in names]
            names = moved if start and all(name in place for name in moved) else names
        missing = [name for name in names if name not in place]
        if missing:
            shown = ', '.join(missing[:SHOWN]) + (' …' if len(missing) > SHOWN else '')
            raise DataError(
                f'the features lack {len(missing)} of {len(names)} images: {shown}. They have '
                f'{len(self)} rows, such as {", ".join(self.names[:2])}; write them again from the same '
                'source (cite features)'
            )
        return np.fromiter((place[name] for name in names), np.int64, len(names))


def _start(stored: Sequence[str], name: str) -> str:
    """What stands before `name` in the one stored name that ends with it; '' where there is no such one."""
    found = [other for other in stored if other.endswith(f'/{name}')]
    return found[0][: -len(name)] if len(found) == 1 else ''


def read_features(path: str | Path) -> FeatureTable:
    """Reads `.npy`, `.npz`, `.parquet` or `.safetensors`, with the ids and the record beside it.

    Features of other programs are taken as well: without a table of ids the rows are named by their
    numbers. Nothing is unpickled.

    Raises:
        DataError: No such file, one that is damaged or holds no (rows, D) of numbers, or a table of ids
            of another length.
        ConfigError: Another format.
    """
    path = Path(path).expanduser()
    check_suffix(path)
    if not path.is_file():
        raise DataError(f'features {path}: no such file')
    try:
        features, names = _READERS[path.suffix](path)
    except DataError:
        raise
    except Exception as error:  # a foreign file can be damaged in many ways
        told = ' '.join(str(error).split())[:200]
        raise DataError(
            f'features {path} cannot be read ({told or type(error).__name__})'
        ) from error
    if features.ndim != 2 or not np.issubdtype(features.dtype, np.floating):
        raise DataError(
            f'features {path}: expected floating-point numbers of shape (rows, D), found '
            f'{features.dtype} of {features.shape}'
        )
    if features.dtype != np.float32:
        features = features.astype(np.float32)
    record = _record(path)
    names = _ids(path) if names is None else names
    if names is None:
        names = [str(row) for row in range(len(features))]
    if len(names) != len(features):
        raise DataError(
            f'features {path}: {len(features)} rows, but {len(names)} names in {ids_of(path).name}'
        )
    return FeatureTable(features, names, record)


def _npy(path: Path) -> tuple[np.ndarray, list[str] | None]:
    return np.load(path, mmap_mode='r', allow_pickle=False), None


def _npz(path: Path) -> tuple[np.ndarray, list[str] | None]:
    with np.load(path, allow_pickle=False) as stored:
        if 'features' not in stored:
            raise DataError(
                f'features {path}: no array `features`, it has {", ".join(stored.files)}'
            )
        names = [str(name) for name in stored['files']] if 'files' in stored else None
        return stored['features'], names


def _safetensors(path: Path) -> tuple[np.ndarray, list[str] | None]:
    from safetensors import safe_open

    with safe_open(path, 'np') as file:
        if 'features' not in file.keys():  # noqa: SIM118 — no mapping
            raise DataError(
                f'features {path}: no tensor `features`, it has {", ".join(file.keys())}'
            )
        return file.get_tensor('features'), None


def _parquet(path: Path) -> tuple[np.ndarray, list[str] | None]:
    import pyarrow.parquet as pq

    table = pq.read_table(path)
    if not {'file', 'feature'} <= set(table.column_names):
        raise DataError(
            f'features {path}: expected the columns file and feature, found '
            f'{", ".join(table.column_names)}'
        )
    column = table['feature'].combine_chunks()
    flat = column.flatten().to_numpy(zero_copy_only=False)
    if column.null_count or len(table) == 0 or len(flat) % len(table):
        raise DataError(f'features {path}: the lists in the column feature differ in length')
    return flat.reshape(len(table), -1), table['file'].to_pylist()


_READERS = {'.npy': _npy, '.npz': _npz, '.safetensors': _safetensors, '.parquet': _parquet}


def _ids(path: Path) -> list[str] | None:
    """Names of the rows; None where there is no table of them."""
    table = ids_of(path)
    if not table.is_file():
        return None
    try:
        with table.open(newline='', encoding='utf-8') as file:
            return [row['file'] for row in csv.DictReader(file, strict=True)]
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise DataError(
            f'{table}: expected the columns row and file, as `cite features` writes them ({error})'
        ) from error


def _record(path: Path) -> dict[str, Any]:
    """What is said of the features; {} where nothing is. A record of another file is an error."""
    place = record_of(path)
    if not place.is_file():
        return {}
    try:
        record = json.loads(place.read_text('utf-8'))
        size = record.get('bytes')
    except (OSError, ValueError, AttributeError) as error:
        raise DataError(f'{place} is no record of features ({error})') from error
    if size is not None and size != path.stat().st_size:
        raise DataError(
            f'{place} is of a file of {size} bytes, {path.name} has {path.stat().st_size}: the features '
            'are cut off or others. Write them again (cite features)'
        )
    return dict(record)
