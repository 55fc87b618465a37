"""What is in the files of a table: SHA-256 of each, remembered by path, size and time of change.

One small file per folder of patches in `$CITE_CACHE/digests`. It can be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cite.atomic import write_text
from cite.data.table import PatchTable
from cite.errors import DataError
from cite.paths import cache_dir

THREADS = 8

WIDTH = 32
"""Bytes of a SHA-256."""

Digests = NDArray[np.uint8]
"""(N, 32); a row of zeros is a file whose digest is not known."""


class Status(NamedTuple):
    """Size and time of change of a file, by which it is taken for unchanged."""

    size: int
    mtime_ns: int


def read_content(path: Path) -> tuple[bytes, Digests]:
    """A file's bytes and their digest (32,).

    Raises:
        DataError: It cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f'{path}: {error.strerror}') from error
    return content, np.frombuffer(hashlib.sha256(content).digest(), np.uint8)


def statuses(table: PatchTable) -> list[Status]:
    """Of every file.

    Raises:
        DataError: One is not there.
    """
    found = []
    for row in range(len(table)):
        path = table.path(row)
        try:
            status = path.stat()
        except OSError as error:
            raise DataError(f'{path}: {error.strerror}') from error
        found.append(Status(status.st_size, status.st_mtime_ns))
    return found


def file_digests(table: PatchTable, progress: bool = False) -> Digests:
    """Of every file of a table; those that are not remembered are read.

    Args:
        progress: Show a bar where it takes longer than two seconds.

    Raises:
        DataError: A file that is missing or cannot be read.
    """
    index, files = DigestIndex(table), statuses(table)
    digests = index.look_up(table, files)
    unknown = np.flatnonzero(~digests.any(1))
    if not len(unknown):
        return digests
    paths = [table.path(int(row)) for row in unknown]
    with ThreadPoolExecutor(THREADS) as pool:
        read = tqdm(
            pool.map(read_content, paths),
            'reading files',
            len(paths),
            unit='file',
            delay=2,
            disable=not progress,
        )
        for row, (_, digest) in zip(unknown, read, strict=True):
            digests[row] = digest
    index.remember(table, files, digests)
    return digests


class DigestIndex:
    """The digests of files under one root folder, in a JSON file.

    Args:
        table: Its root is the one.
    """

    def __init__(self, table: PatchTable) -> None:
        root = hashlib.sha256(str(table.root.resolve()).encode()).hexdigest()
        self.path = cache_dir() / 'digests' / f'{root[:16]}.json'

    def look_up(self, table: PatchTable, files: list[Status]) -> Digests:
        """Digests of a table's files as far as they are known to be unchanged."""
        known = self._read()
        found = np.zeros((len(table), WIDTH), np.uint8)
        for row, (name, status) in enumerate(zip(table.files.tolist(), files, strict=True)):
            size, mtime_ns, digest = known.get(name, (-1, -1, ''))
            if (size, mtime_ns) == status:
                found[row] = np.frombuffer(bytes.fromhex(digest), np.uint8)
        return found

    def remember(self, table: PatchTable, files: list[Status], digests: Digests) -> None:
        """Adds a table's files. Of two processes that do so at once, one may have to be told again."""
        known = self._read()
        for name, status, digest in zip(table.files.tolist(), files, digests, strict=True):
            known[name] = (*status, digest.tobytes().hex())
        try:
            write_text(self.path, json.dumps(known, ensure_ascii=False))
        except OSError as error:
            told = f'{self.path} could not be written: {error.strerror}'
            logging.getLogger(__name__).warning(told)

    def _read(self) -> dict[str, tuple[int, int, str]]:
        """A damaged index is an empty one: it is only quicker to have."""
        try:
            content = json.loads(self.path.read_text(encoding='utf-8'))
            return {
                str(name): (int(size), int(mtime_ns), str(digest))
                for name, (size, mtime_ns, digest) in content.items()
                if len(digest) == 2 * WIDTH
            }
        except (OSError, ValueError, TypeError, AttributeError):
            return {}
