"""Fingerprints of images, remembered by path, size and time of change, so that none is decoded twice.

One file per folder of patches in `$CITE_CACHE/fingerprints`, about 0.8 kB an image. It can be deleted at
any time; of all of them, those used last stay, up to `LIMIT` bytes.
"""

from __future__ import annotations

import hashlib
import json
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cite.atomic import write_bytes
from cite.cache_limit import touch, trim
from cite.data.file_digests import statuses
from cite.data.prepare.fingerprint import GRID
from cite.data.prepare.scan import Scan, scan_images
from cite.data.table import PatchTable, some
from cite.data.verify import BadImage
from cite.errors import DataError
from cite.paths import cache_dir

VERSION = 1
"""Of what a fingerprint is; another one is another file."""

LIMIT = 4 * 10**9
"""Bytes that all of them may take."""

CHUNK = 2**15
"""Images after which what was found is written, so that an interrupt costs no more than these."""

_EMPTY: dict[str, NDArray] = {
    'keys': np.zeros((0, 16), np.uint8),
    'sizes': np.zeros((0, 2), np.int64),
    'digests': np.zeros((0, 16), np.uint8),
    'grids': np.zeros((0, GRID, GRID, 3), np.uint8),
    'spreads': np.zeros(0),
}


def cached_scan(table: PatchTable, workers: int = 4, progress: bool = True) -> Scan:
    """What `scan_images` gives; only images that are new or have changed are decoded.

    Args:
        table: What to look at.
        workers: Threads that decode.
        progress: Show a bar where it takes longer than two seconds.

    Raises:
        DataError: Files that are missing or do not decode, by name.
    """
    keys, path = _keys(table), _path(table)
    kept = _load(path)
    known = {key.tobytes() for key in kept['keys']}
    missing = np.flatnonzero([key.tobytes() not in known for key in keys])
    bad: list[BadImage] = []
    for start in range(0, len(missing), CHUNK):
        rows = missing[start : start + CHUNK]
        found = scan_images(table.subset(rows), workers, progress)
        bad += found.bad
        good = found.sizes[:, 0] > 0
        new = {'keys': keys[rows[good]], **_arrays(found.subset(good))}
        kept = {name: np.concatenate([values, new[name]]) for name, values in kept.items()}
        _store(path, kept)
    if bad:
        named = [b.reason if b.file in b.reason else f'{b.file}: {b.reason}' for b in bad[:5]]
        raise DataError(
            f'{table.source}: {len(bad)} of {len(table)} patches cannot be read: '
            f'{some(named, len(bad))}. Mend them, or leave them out with cite prepare --skip-bad'
        )
    row_of = {key.tobytes(): row for row, key in enumerate(kept['keys'])}
    rows = np.array([row_of[key.tobytes()] for key in keys], dtype=np.int64)
    return Scan((), *(kept[name][rows] for name in ('sizes', 'digests', 'grids', 'spreads')))


def _arrays(scan: Scan) -> dict[str, NDArray]:
    return {name: getattr(scan, name) for name in _EMPTY if name != 'keys'}


def _keys(table: PatchTable) -> NDArray[np.uint8]:
    """What decides a file's fingerprint without reading it, 16 bytes each."""
    keys = np.zeros((len(table), 16), np.uint8)
    for row, (name, status) in enumerate(zip(table.files.tolist(), statuses(table), strict=True)):
        asked = json.dumps([name, *status]).encode()
        keys[row] = np.frombuffer(hashlib.blake2b(asked, digest_size=16).digest(), np.uint8)
    return keys


def _path(table: PatchTable) -> Path:
    asked = json.dumps([VERSION, GRID, str(table.root.resolve())])
    name = hashlib.sha256(asked.encode()).hexdigest()[:16]
    return cache_dir() / 'fingerprints' / f'{name}.safetensors'


def _load(path: Path) -> dict[str, NDArray]:
    """A damaged file is an empty one: it is only quicker to have."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        found = load_file(path)
    except (OSError, SafetensorError):
        return _EMPTY
    rows = {len(values) for values in found.values()}
    shapes = {name: (values.dtype, values.shape[1:]) for name, values in found.items()}
    expected = {name: (values.dtype, values.shape[1:]) for name, values in _EMPTY.items()}
    if len(rows) != 1 or shapes != expected:
        return _EMPTY
    touch(path)
    return found


def _store(path: Path, kept: dict[str, NDArray]) -> None:
    from safetensors.numpy import save

    try:
        write_bytes(path, save(kept))
        trim(path.parent, LIMIT, keep=[path])
    except OSError as error:
        told = f'{path} could not be written: {error.strerror}'
        logging.getLogger(__name__).warning(told)
