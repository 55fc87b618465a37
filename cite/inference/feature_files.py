"""Formats of feature files. Blocks of rows come one after the other: none of them holds all in memory."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from cite.errors import ConfigError

Blocks = Iterable[tuple[list[str], np.ndarray]]
"""Names and float32 features (rows, D) of consecutive rows."""


def write_npy(path: Path, blocks: Blocks, rows: int, width: int) -> None:
    """An array (rows, D) for `numpy.load(…, mmap_mode='r')`."""
    with path.open('wb') as file:
        header: dict[str, Any] = {'descr': '<f4', 'fortran_order': False, 'shape': (rows, width)}
        np.lib.format.write_array_header_1_0(file, header)
        for _, features in blocks:
            file.write(_little(features))


def write_npz(path: Path, blocks: Blocks, rows: int, width: int) -> None:
    """Arrays `features` (rows, D) and `files` (rows,) of text."""
    plain = path.with_suffix('.features')
    names: list[str] = []

    def noting() -> Blocks:
        for called, features in blocks:
            names.extend(called)
            yield called, features

    write_npy(plain, noting(), rows, width)
    with path.open('wb') as file:
        text = np.array(names, dtype=np.str_)
        np.savez(file, features=np.load(plain, mmap_mode='r'), files=text)
    plain.unlink()


def write_safetensors(path: Path, blocks: Blocks, rows: int, width: int) -> None:
    """One tensor `features` (rows, D), written as it comes: the library's own writer wants all of it."""
    entry = {'dtype': 'F32', 'shape': [rows, width], 'data_offsets': [0, 4 * rows * width]}
    header = json.dumps({'features': entry}).encode()
    header += b' ' * (-len(header) % 8)
    with path.open('wb') as file:
        file.write(struct.pack('<Q', len(header)) + header)
        for _, features in blocks:
            file.write(_little(features))


def write_parquet(path: Path, blocks: Blocks, rows: int, width: int) -> None:
    """Columns `file` and `feature`, a list of D numbers."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = pa.list_(pa.float32(), width)
    schema = pa.schema([('file', pa.string()), ('feature', kind)])
    with pq.ParquetWriter(path, schema, use_dictionary=False) as file:
        for names, features in blocks:
            values = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), width)
            file.write_table(pa.table([pa.array(names, pa.string()), values], schema))


def _little(features: np.ndarray) -> bytes:
    return np.ascontiguousarray(features, '<f4').tobytes()


FORMATS: dict[str, Callable[[Path, Blocks, int, int], None]] = {
    '.npy': write_npy,
    '.npz': write_npz,
    '.parquet': write_parquet,
    '.safetensors': write_safetensors,
}


def check_suffix(path: Path) -> None:
    """Refuses a name that tells no format.

    Raises:
        ConfigError: Naming those that there are.
    """
    if path.suffix not in FORMATS:
        raise ConfigError(f'{path}: expected a name that ends in {", ".join(FORMATS)}')
