"""What two sets of patches have in common, which must not be where one is to measure the other."""

from __future__ import annotations

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
    return {str(table.path(row).resolve()) for row in range(len(table))}
