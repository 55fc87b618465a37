"""The synthetic set in every layout, tiny, and what lies in a folder."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from cite.data.synthetic import write_pairs, write_patchgastric, write_slides

TINY = {'slides_per_class': 1, 'progress': False}
PATCHES: dict[str, Any] = {**TINY, 'patches_per_slide': 2, 'size': 64}
LAYOUTS: dict[str, tuple[Any, dict[str, Any]]] = {
    'patchgastric': (write_patchgastric, PATCHES),
    'pairs': (write_pairs, PATCHES),
    'slides': (write_slides, {**TINY, 'side': 256}),
}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob('*') if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def pictures(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in contents(folder).items() if '/' in name}


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))
