"""A folder that is replaced as a whole, and is never there by half."""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cite.errors import DataError


class OutputError(DataError):
    """Results cannot be written: no slide after this one will fare better."""


@contextmanager
def replacing_folder(path: Path) -> Iterator[Path]:
    """Gives a temporary folder beside `path`, which takes its place at the end.

    Where the block fails, the temporary folder goes and `path` stays as it was. What a process that was
    killed left behind goes with the next attempt; no two processes may write the same folder.

    Raises:
        OutputError: A disk that is full or read-only.
    """
    fresh = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    former = path.with_name(f'.{path.name}.{os.getpid()}.old')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left in path.parent.glob(f'.{glob.escape(path.name)}.*'):
            if re.fullmatch(r'\d+\.(tmp|old)', left.name[len(path.name) + 2 :]):
                shutil.rmtree(left)
        fresh.mkdir()
        yield fresh
        for file in fresh.iterdir():
            with file.open('rb') as opened:
                os.fsync(opened.fileno())
        if path.exists():
            path.rename(former)
        fresh.rename(path)
        shutil.rmtree(former, ignore_errors=True)
    except OSError as error:
        raise OutputError(
            f'{path}: cannot be written ({error.strerror or error}); nothing of this slide was kept, what '
            'was done before is complete. Make room or give another --out, and run the same again'
        ) from error
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


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
