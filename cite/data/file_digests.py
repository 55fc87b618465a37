"""SHA-256 of files, each read once: remembered by path, size and time of change.

One small file per folder of patches in `$CITE_CACHE/digests`. It can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm

from cite.atomic import write_text
from cite.errors import DataError
from cite.frozen import file_digest
from cite.paths import cache_dir

THREADS = 8

Stamp = tuple[int, int]


def file_digests(paths: Sequence[Path], root: Path, progress: bool = False) -> list[str]:
    """SHA-256 of each file in hex.

    Args:
        root: Folder that the files are of; what is remembered is kept per folder.
        progress: Show a bar where it takes longer than two seconds.

    Raises:
        DataError: A file that is missing or cannot be read.
    """
    record = _record(root)
    known = _read(record)
    stamps = [_stamp(path) for path in paths]
    found: dict[str, tuple[Stamp, str]] = {}
    unknown = []
    for path, stamp in zip(paths, stamps, strict=True):
        remembered = known.get(str(path))
        if remembered is not None and remembered[0] == stamp:
            found[str(path)] = remembered
        else:
            unknown.append((path, stamp))
    if unknown:
        with ThreadPoolExecutor(THREADS) as pool:
            digests = pool.map(_digest, (path for path, _ in unknown))
            bar = tqdm(
                digests,
                'reading files',
                len(unknown),
                unit='file',
                delay=2,
                disable=not progress,
            )
            for (path, stamp), digest in zip(unknown, bar, strict=True):
                found[str(path)] = stamp, digest
        _write(record, known | found)
    return [found[str(path)][1] for path in paths]


def _record(root: Path) -> Path:
    key = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:24]
    return cache_dir() / 'digests' / f'{key}.json'


def _stamp(path: Path) -> Stamp:
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f'{path}: {error.strerror}') from error
    return status.st_size, status.st_mtime_ns


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise DataError(f'{path}: {error.strerror}') from error


def _read(record: Path) -> dict[str, tuple[Stamp, str]]:
    try:
        content = json.loads(record.read_text(encoding='utf-8'))
        return {path: ((int(s), int(t)), str(d)) for path, (s, t, d) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # not there, or damaged: files are read again


def _write(record: Path, known: dict[str, tuple[Stamp, str]]) -> None:
    content = {path: [*stamp, digest] for path, (stamp, digest) in known.items()}
    try:
        write_text(record, json.dumps(content))
    except OSError as error:
        logging.getLogger(__name__).warning(f'{record} could not be written: {error.strerror}')
