"""A split as files: `split.json` and one CSV manifest per part, which `read_csv` reads back."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import NamedTuple

from cite.atomic import write_text
from cite.data.splits import VAL, Split
from cite.data.table import PatchTable
from cite.errors import DataError


class PartCount(NamedTuple):
    """How much of a class a part of a split holds."""

    part: str
    name: str
    slides: int
    patches: int


def write_split(table: PatchTable, split: Split, out_dir: str | Path) -> list[PartCount]:
    """Write `split.json`, `val.csv` and `train_{shots}.csv` into a folder, each atomically.

    Manifests list files as the table does, so they are read with the same root, in canonical order.

    Returns:
        One row per part and class: `val` first, then training parts by shots.

    Raises:
        DataError: the split belongs to other data, or shares a slide or patient between sides.
    """
    if split.classes != table.classes:
        raise DataError(
            f'{table.source}: the split is of classes {list(split.classes)}, '
            f'the table has {list(table.classes)}'
        )
    split.check(table)
    parts = {part: split.select(table, part).sorted() for part in split.parts}
    out_dir = Path(out_dir)
    for part, rows in parts.items():
        write_manifest(rows, out_dir / f'{part}.csv', split=VAL if part == VAL else 'train')
    split.save(out_dir / 'split.json')
    return [
        PartCount(part, name, count.slides, count.patches)
        for part, rows in parts.items()
        for name, count in rows.counts().items()
    ]


def write_manifest(table: PatchTable, path: str | Path, split: str) -> None:
    """Write a table as `file,label,slide[,patient],split`, atomically; labels are class names."""
    columns = {
        'file': table.files.tolist(),
        'label': [table.classes[label] for label in table.labels],
        'slide': table.slides.tolist(),
        **({} if table.patients is None else {'patient': table.patients.tolist()}),
        'split': [split] * len(table),
    }
    text = io.StringIO(newline='')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    write_text(path, text.getvalue())
