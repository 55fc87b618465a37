"""The folder of a page: uploads and results, which nobody else can read and which do not stay."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from uuid import uuid4

PREFIX = 'cite-demo-'
AGE = 3600.0
"""Seconds after which a file goes."""
EVERY = 300.0
"""Seconds between two looks."""


class Workspace:
    """A temporary folder, removed at the end; files older than `age` seconds go before.

    A page that was killed could not tidy up: the next one does.

    Args:
        age: Seconds.
        every: Seconds between two looks.

    Attributes:
        root: The folder (mode 700).
        cache: What Gradio keeps: uploads, and copies of what it shows.
        files: What handlers write.
    """

    def __init__(self, age: float = AGE, every: float = EVERY) -> None:
        _remove_orphans()
        self.root = Path(tempfile.mkdtemp(prefix=f'{PREFIX}{os.getpid()}-'))
        self.cache, self.files = self.root / 'cache', self.root / 'files'
        self.cache.mkdir()
        self.files.mkdir()
        self._age, self._every = age, every
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name='cite-demo-tidy', daemon=True)

    def place(self, name: str) -> Path:
        """Where a file of this name can be written: a new folder each time, so that users never meet."""
        folder = self.files / uuid4().hex
        folder.mkdir()
        return folder / name

    def tidy(self) -> int:
        """Removes files that are too old, and folders that are empty; returns how many files went."""
        oldest, gone = time.time() - self._age, 0
        for folder, _, names in os.walk(self.root, topdown=False):
            for name in names:
                path = Path(folder, name)
                try:
                    if path.lstat().st_mtime < oldest:
                        path.unlink()
                        gone += 1
                except OSError:  # somebody else was quicker
                    continue
            if Path(folder) not in (self.root, self.cache, self.files):
                _remove_if_empty_and_old(Path(folder), oldest)
        return gone

    def _watch(self) -> None:
        while not self._end.wait(self._every):
            self.tidy()

    def __enter__(self) -> Workspace:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end.set()
        shutil.rmtree(self.root, ignore_errors=True)


def _remove_if_empty_and_old(folder: Path, oldest: float) -> None:
    try:
        if folder.stat().st_mtime < oldest:
            folder.rmdir()
    except OSError:  # not empty
        return


def _remove_orphans() -> None:
    """Folders of pages whose process is no more, of this user."""
    for folder in Path(tempfile.gettempdir()).glob(f'{PREFIX}*-*'):
        number = folder.name.removeprefix(PREFIX).partition('-')[0]
        if not number.isdecimal() or folder.is_symlink() or not folder.is_dir():
            continue
        if folder.stat().st_uid != os.getuid() or _runs(int(number)):
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _runs(number: int) -> bool:
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
