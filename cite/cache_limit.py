"""A cache that keeps what was used last, up to a number of bytes."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path


def touch(entry: Path) -> None:
    """Marks an entry as used now; one on a medium that is read only is left as it is."""
    with suppress(OSError):
        os.utime(entry)


def used_bytes(folder: Path) -> int:
    """What the entries of a cache take on the disk."""
    return sum(size for _, size, _ in _entries(folder))


def trim(folder: Path, limit_bytes: int, keep: Iterable[Path] = ()) -> list[Path]:
    """Removes entries, those first that were used longest ago, until the others fit.

    An entry is a file or folder right in `folder`; hidden ones (locks, indices) are none. When one was
    used, its time of change says: see `touch`. A file that another process has open or mapped stays
    readable there, and its room comes free once that process lets go.

    Args:
        limit_bytes: How much may stay.
        keep: Entries to spare, whatever they take.

    Returns:
        What was removed.
    """
    entries = _entries(folder)
    spared = {path.absolute() for path in keep}
    total = sum(size for _, size, _ in entries)
    removed = []
    for _, size, path in sorted(entries):
        if total <= limit_bytes:
            break
        if path.absolute() in spared:
            continue
        with suppress(FileNotFoundError):  # another process was quicker
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        removed.append(path)
        total -= size
    return removed


def _entries(folder: Path) -> list[tuple[int, int, Path]]:
    """(time of change in ns, bytes on the disk, path) of each."""
    found = []
    for path in folder.iterdir() if folder.is_dir() else ():
        if path.name.startswith('.'):
            continue
        inside = path.rglob('*') if path.is_dir() and not path.is_symlink() else ()
        with suppress(FileNotFoundError):
            size = sum(part.lstat().st_blocks * 512 for part in (path, *inside))
            found.append((path.lstat().st_mtime_ns, size, path))
    return found
