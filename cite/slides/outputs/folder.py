"""A folder that is replaced as a whole, and is never there by half."""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from cite.errors import DataError

FATAL = (errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EACCES)
"""Of writing: the next slide would meet them as well."""
RECORDS = ('summary.json', 'tiles.json')


class OutputError(DataError):
    """Results cannot be written: no slide after this one will fare better."""


def check_replaceable(folder: Path, record_names: Sequence[str] = RECORDS) -> None:
    """Replacing a folder deletes what is in it, so it must be one of our own, an empty one, or none.

    Args:
        folder: That will be replaced.
        record_names: JSON files by which our own are known: one of them is there and has a `key`.

    Raises:
        OutputError: Anything else: a folder of somebody else's, a file, a link.
    """
    if not os.path.lexists(folder):
        return
    if folder.is_symlink() or not folder.is_dir():
        found = 'it is a link or a file'
    elif any(_has_key(folder / name) for name in record_names) or not any(folder.iterdir()):
        return
    else:
        found = f'it holds other files, and no {" or ".join(record_names)} of cite'
    raise OutputError(
        f'{folder}: would be replaced, but cite did not write it ({found}); give another --out, or move it '
        'away'
    )


def _has_key(path: Path) -> bool:
    try:
        found = json.loads(path.read_text('utf-8'))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and isinstance(found.get('key'), str)


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `path`, which takes its place at the end.

    Where the block fails, the temporary folder goes and `path` stays as it was. What a process that was
    killed left behind goes with the next attempt; no two processes may write the same folder.

    Raises:
        OutputError: A disk that is full or read-only, no permission, or a `path` that is not ours
            (`check_replaceable`).
        DataError: Another failure of writing, such as a name that is too long.
    """
    fresh = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    former = path.with_name(f'.{path.name}.{os.getpid()}.old')
    try:
        check_replaceable(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f'.{glob.escape(path.name)}.*'):
            if re.fullmatch(r'\d+\.(tmp|old)', left.name[len(path.name) + 2 :]):
                shutil.rmtree(left)
        fresh.mkdir()
        yield fresh
        for file in fresh.iterdir():
            with file.open('rb') as opened:
                os.fsync(opened.fileno())
        _swap(fresh, path, former)
    except OSError as error:
        _raise(path, error)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _swap(fresh: Path, path: Path, former: Path) -> None:
    if path.exists():
        path.rename(former)
    try:
        fresh.rename(path)
    except OSError:
        if former.exists():
            former.rename(path)
        raise
    shutil.rmtree(former, ignore_errors=True)


def _raise(path: Path, error: OSError) -> NoReturn:
    said = f'{path}: cannot be written ({error.strerror or error})'
    if error.errno not in FATAL:
        raise DataError(f'{said}; nothing of this slide was kept') from error
    raise OutputError(
        f'{said}; nothing of this slide was kept, what was done before is complete. Make room or give '
        'another --out, and run the same again'
    ) from error


def check_writable(folder: Path) -> None:
    """Now, not after the first slide was computed.

    Raises:
        OutputError: A folder that cannot be made or written.
    """
    probe = folder / f'.cite.{os.getpid()}.tmp'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b'')
        probe.unlink()
    except OSError as error:
        raise OutputError(f'{folder}: cannot be written ({error.strerror or error})') from error
