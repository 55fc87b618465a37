"""The last step of every reader: columns → a table that does not contradict itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from cite.data.table import PatchTable
from cite.errors import DataError


def checked_table(
    files: list[str],
    labels: list[int],
    slides: list[str],
    classes: Sequence[str],
    source: Path,
    root: str | Path | None,
    patients: list[str] | None = None,
    one_class_per_slide: bool = True,
) -> PatchTable:
    """A checked table of columns as they were read.

    Args:
        source: what was read; its folder is the root where `root` is None.
        one_class_per_slide: see `PatchTable.check`.

    Raises:
        DataError: no rows, or rows that contradict each other (`PatchTable.check`).
    """
    if not files:
        raise DataError(f'{source}: no patches in it')
    table = PatchTable(
        files=np.array(files),
        labels=np.array(labels),
        slides=np.array(slides),
        classes=tuple(classes),
        root=Path(source.parent if root is None else root),
        patients=None if patients is None else np.array(patients),
        source=str(source),
    )
    table.check(require_every_class=False, one_class_per_slide=one_class_per_slide)
    return table
