"""An index as a folder: `index.npy` or `index.faiss`, `index.csv` (the rows), `index.json` (the record).

A file of FAISS is trusted by FAISS: a forged one can make it read or write where it should not. Load
indexes from folders that only you can write to. Before a file is opened, its size must be that of the
record, and rows, dim, kind and metric must agree afterwards; that finds damage, not malice.
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np

from cite.atomic import replacing, write_json
from cite.errors import DataError
from cite.retrieval.approximate import FaissSearcher, import_faiss, read, write
from cite.retrieval.exact import ExactSearcher
from cite.retrieval.index import Index, Searcher
from cite.retrieval.units import unit_blocks

FORMAT = 1
CLASSES = {'ivf': 'IndexIVFFlat', 'hnsw': 'IndexHNSWFlat'}


def save_index(index: Index, folder: str | Path) -> None:
    """Writes the folder; the record comes last, so what was interrupted is no index."""
    folder = Path(folder)
    record_file = folder / 'index.json'
    record_file.unlink(missing_ok=True)  # it must not stand beside files that it does not describe
    for other in ('index.npy', 'index.faiss'):
        (folder / other).unlink(missing_ok=True)
    data = folder / _file(index.kind)
    with replacing(data) as place:
        if isinstance(index.searcher, ExactSearcher):
            _write_rows(index.searcher, place)
        elif isinstance(index.searcher, FaissSearcher):
            write(index.searcher, place)
    with (
        replacing(folder / 'index.csv') as place,
        place.open('w', newline='', encoding='utf-8') as file,
    ):
        table = csv.writer(file, lineterminator='\n')
        table.writerow(['row', 'name', 'file'])
        rows = range(len(index))
        table.writerows(zip(rows, index.names, index.files, strict=True))
    write_json(
        record_file,
        {'format': FORMAT, **index.record, 'file': data.name, 'bytes': data.stat().st_size},
    )


def load_index(folder: str | Path, digest: str | None = None) -> Index:
    """Reads what `save_index` wrote; features and lists stay on the disk, mapped into memory.

    Args:
        digest: `features_digest` of the features that the index must be of; None: of any.

    Raises:
        DataError: No index, one that is damaged or does not agree with its record, or one of other
            features (older ones, or of another model).
        ConfigError: It needs FAISS, which is not installed.
    """
    folder = Path(folder)
    record = read_record(folder)
    if digest is not None and record['features']['digest'] != digest:
        raise DataError(
            f'index {folder} is of other features: they, their images or their model have changed since '
            'it was built. Build it again (delete the folder)'
        )
    data = folder / record['file']
    if not data.is_file() or data.stat().st_size != record['bytes']:
        size = data.stat().st_size if data.is_file() else 'none'
        raise DataError(
            f'index {data}: expected {record["bytes"]} bytes as index.json says, found {size}. The file '
            'is damaged or another; build the index again'
        )
    names, files = _read_names(folder / 'index.csv')
    searcher = _searcher(data, record)
    if len(names) != record['rows']:
        raise DataError(f'index {folder}: {record["rows"]} rows, but {len(names)} names')
    return Index(searcher, names, record, files)


def read_record(folder: str | Path) -> dict[str, Any]:
    """The record of an index.

    Raises:
        DataError: There is none, it is damaged, or of another format.
    """
    place = Path(folder) / 'index.json'
    try:
        record = json.loads(place.read_text('utf-8'))
        kind, known = record['kind'], record['format'] == FORMAT
        whole = [record[key] for key in ('rows', 'dim', 'bytes')]
        fits = all(isinstance(number, int) and number > 0 for number in whole)
        fits &= record['file'] == _file(kind) and isinstance(record['features']['digest'], str)
        fits &= kind == 'flat' or (kind in CLASSES and int(record['effort']) > 0)
    except FileNotFoundError as error:
        raise DataError(f'{folder}: no index there (index.json)') from error
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f'{place} is no record of an index ({error})') from error
    if not known or not fits:
        raise DataError(f'{place}: the record contradicts itself, or is of another version of cite')
    return dict(record)


def _file(kind: str) -> str:
    return 'index.npy' if kind == 'flat' else 'index.faiss'


def _write_rows(searcher: ExactSearcher, path: Path) -> None:
    with path.open('wb') as file:
        header = {'descr': '<f4', 'fortran_order': False, 'shape': searcher.features.shape}
        np.lib.format.write_array_header_1_0(file, header)
        for _, block in unit_blocks(searcher.features, searcher.length):
            file.write(block.astype('<f4').tobytes())


def _searcher(data: Path, record: dict[str, Any]) -> Searcher:
    """The index itself, if it is what the record says."""
    kind, shape = record['kind'], (record['rows'], record['dim'])
    try:
        if kind == 'flat':
            features = np.load(data, mmap_mode='r', allow_pickle=False)
            found: tuple[Any, ...] = (features.shape, str(features.dtype))
            wanted: tuple[Any, ...] = (shape, 'float32')
            searcher: Searcher = ExactSearcher(features, np.ones(shape[0], np.float32))
        else:
            approximate = read(data, kind, int(record['effort']))
            index, faiss = approximate.index, import_faiss()
            found = ((index.ntotal, index.d), type(index).__name__, index.metric_type)
            wanted = (shape, CLASSES[kind], faiss.METRIC_INNER_PRODUCT)
            searcher = approximate
    except (OSError, ValueError, RuntimeError) as error:  # FAISS raises RuntimeError
        told = ' '.join(str(error).split())[:200]
        raise DataError(f'index {data} cannot be read ({told}); build it again') from error
    if found != wanted:
        raise DataError(f'index {data}: the record says {wanted}, the file holds {found}')
    return searcher


def _read_names(path: Path) -> tuple[list[str], list[str]]:
    try:
        with path.open(newline='', encoding='utf-8') as file:
            rows = [(row['name'], row['file']) for row in csv.DictReader(file, strict=True)]
    except (OSError, UnicodeDecodeError, KeyError, csv.Error) as error:
        raise DataError(f'{path}: expected the columns row, name and file ({error})') from error
    return [name for name, _ in rows], [file for _, file in rows]
