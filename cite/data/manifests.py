"""A split as files: `split.json` and one CSV manifest per part, which `read_csv` reads back."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from cite.atomic import write_text
from cite.data.cap import cap_per_slide
from cite.data.splits import VAL, Split
from cite.data.table import PatchTable
from cite.errors import DataError


class PartCount(NamedTuple):
    """How much of a class a part of a split holds."""

    part: str
    name: str
    slides: int
    patches: int


def parts_of(
    table: PatchTable, split: Split, most_per_slide: int | None = None
) -> dict[str, PatchTable]:
    """Part -> its patches in canonical order: `val` first, then training parts by shots.

    Args:
        table: what the split was drawn from.
        split: which slides train and which evaluate.
        most_per_slide: patches of each training slide at most, chosen by the split's seed, see
            `cap_per_slide`. Evaluation takes all patches: fewer would be another measurement.

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
    if most_per_slide is None:
        return parts
    return {
        part: rows if part == VAL else cap_per_slide(rows, most_per_slide, split.seed)
        for part, rows in parts.items()
    }


def write_split(
    table: PatchTable, split: Split, out_dir: str | Path, most_per_slide: int | None = None
) -> list[PartCount]:
    """Write `split.json`, `val.csv` and `train_{shots}.csv` into a folder, each atomically.

    Manifests list files as the table does, so they are read with the same root, in canonical order.

    Returns:
        One row per part and class: `val` first, then training parts by shots.

    Raises:
        DataError: see `parts_of`.
    """
    parts = parts_of(table, split, most_per_slide)
    for name, text in manifests_of(parts).items():
        write_text(Path(out_dir) / name, text)
    split.save(Path(out_dir) / 'split.json')
    return count_parts(parts)


def manifests_of(parts: Mapping[str, PatchTable]) -> dict[str, str]:
    """File name -> content of the manifest of each part."""
    return {
        f'{part}.csv': _manifest(rows, split=VAL if part == VAL else 'train')
        for part, rows in parts.items()
    }


def count_parts(parts: Mapping[str, PatchTable]) -> list[PartCount]:
    """One row per part and class."""
    return [
        PartCount(part, name, count.slides, count.patches)
        for part, rows in parts.items()
        for name, count in rows.counts().items()
    ]


def write_manifest(table: PatchTable, path: str | Path, split: str) -> None:
    """Write a table as `file,label,slide[,patient],split`, atomically; labels are class names."""
    write_text(path, _manifest(table, split))


def _manifest(table: PatchTable, split: str) -> str:
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
    return text.getvalue()
