"""What two sets of patches have in common, which must not be where one is to measure the other."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cite.data.table import PatchTable


def overlap(first: PatchTable, second: PatchTable) -> tuple[str, list[str]] | None:
    """What both hold.

    Returns:
        'slides' and their names, sorted; 'patients' where no slide is shared; 'files' where neither is;
        None where nothing is.
    """
    for unit, of in (('slides', _slides), ('patients', _patients), ('files', _files)):
        shared = of(first) & of(second)
        if shared:
            return unit, sorted(shared)
    return None


def _slides(table: PatchTable) -> set[str]:
    return set(table.slides.tolist())


def _patients(table: PatchTable) -> set[str]:
    return set() if table.patients is None else set(table.patients.tolist())


def _files(table: PatchTable) -> set[str]:
    """Every file by its one path. Folders are resolved once each: 180,000 files lie in few of them."""
    folder = lru_cache(maxsize=None)(Path.resolve)
    paths = (table.path(row) for row in range(len(table)))
    return {
        str(path.resolve() if path.is_symlink() else folder(path.parent) / path.name)
        for path in paths
    }
