"""Patch tables from CSV manifests: `file,label,slide[,patient][,split]`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from cite.data.checked_table import checked_table
from cite.data.slide_names import patients_from_names, slides_from_names
from cite.data.table import PatchTable, some
from cite.data.text_files import read_rows
from cite.errors import ConfigError, DataError

COLUMNS = ('file', 'label', 'slide', 'patient', 'split')


def read_csv(
    path: str | Path,
    root: str | Path | None = None,
    classes: Sequence[str] | None = None,
    split: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    slide_pattern: str | None = None,
    patient_pattern: str | None = None,
    one_class_per_slide: bool = True,
) -> PatchTable:
    """Read a manifest with a header: `file,label,slide[,patient][,split]`.

    Args:
        path: UTF-8 CSV file.
        root: folder that relative files are under; default the manifest's.
        classes: class names in label order; default all names in the file, sorted, whichever
            split is read. Give them where a model or a split has an order of its own. A label
            that is no class name may be an index.
        split: rows of this split only; default all rows.
        columns: names the file uses, e.g. `{'slide': 'case_id'}`. `{'slide': 'file'}` makes every
            patch its own slide; `{'split': None}` leaves a column unread.
        slide_pattern: where the file has no slide column: see `slides_from_names`.
        patient_pattern: where the file has no patient column: see `patients_from_names`.
        one_class_per_slide: see `PatchTable.check`.

    Raises:
        DataError: no such file, empty, not UTF-8, missing columns, an empty field, an unknown
            label or split, a slide or patient in two splits, or a table that contradicts itself
            (`PatchTable.check`).
        ConfigError: `columns` names a column that manifests do not have, or a pattern is none.
    """
    path = Path(path)
    columns = dict(columns or {})
    strange = sorted(set(columns) - set(COLUMNS))
    if strange:
        raise ConfigError(f'columns may map {list(COLUMNS)}, not {strange}')
    header, rows = read_rows(path)
    place = {name: columns.get(name, name) for name in COLUMNS}
    required = ['file', 'label', *(name for name in columns if columns[name] is not None)]
    required += [] if slide_pattern is not None else ['slide']
    required += [] if split is None else ['split']
    missing = [place[name] or name for name in dict.fromkeys(required) if place[name] not in header]
    if missing:
        raise DataError(
            f'{path}: missing columns {missing}, found {header}; '
            "say which columns to use with columns={'slide': 'name in the file'}"
            " (columns={'slide': 'file'}: every patch is its own slide)"
        )
    used = {
        name: header.index(column) for name, column in place.items() if column and column in header
    }
    values: dict[str, list[str]] = {name: [] for name in used}
    lines: list[int] = []
    for number, row in rows:
        lines.append(number)
        for name, position in used.items():
            if not row[position] and name != 'split':
                raise DataError(f'{path}, line {number}: no value in column {place[name]!r}')
            values[name].append(row[position])
    if classes is None:
        classes = _sorted_names(set(values['label']))
    labels = _labels(values['label'], lines, classes, path)
    if 'slide' not in values:
        values['slide'] = slides_from_names(values['file'], slide_pattern, path)
    if 'patient' not in values and patient_pattern is not None:
        values['patient'] = patients_from_names(values['file'], patient_pattern, path)
    table = checked_table(
        values['file'],
        labels,
        values['slide'],
        classes,
        path,
        root,
        values.get('patient'),
        one_class_per_slide,
    )
    if 'split' in values:
        for unit in ('slide', 'patient'):
            refuse_torn(unit, values.get(unit, []), values['split'], path)
    if split is None:
        return table
    rows_of_split = np.array(values['split']) == split
    if not rows_of_split.any():
        known = sorted(set(values['split']))
        raise DataError(f'{path}: no split {split!r}, the file has {known}')
    return table.subset(rows_of_split)


def read_column(path: str | Path, column: str) -> list[str]:
    """Values of one column, row by row as `read_csv` gives the rows.

    Raises:
        DataError: no such file or column, empty, or not UTF-8.
    """
    header, rows = read_rows(path)
    if column not in header:
        raise DataError(f'{path}: no column {column!r}, found {header}')
    place = header.index(column)
    return [row[place] for _, row in rows]


def _labels(labels: list[str], lines: list[int], classes: Sequence[str], path: Path) -> list[int]:
    index = {str(number): number for number in range(len(classes))}
    index.update({name: number for number, name in enumerate(classes)})
    unknown = [(n, label) for n, label in zip(lines, labels, strict=True) if label not in index]
    if unknown:
        raise DataError(
            f'{path}, line {unknown[0][0]}: unknown labels '
            f'{some(dict.fromkeys(repr(label) for _, label in unknown))}; '
            f'classes are {list(classes)}'
        )
    return [index[label] for label in labels]


def refuse_torn(unit: str, members: Sequence[str], splits: Sequence[str], path: Path) -> None:
    """Raise `DataError` naming the members (slides, patients) whose rows are in several splits."""
    first: dict[str, str] = {}
    torn = [
        member
        for member, split in zip(members, splits, strict=False)  # no members: not in the file
        if first.setdefault(member, split) != split
    ]
    if torn:
        raise DataError(
            f'{path}: {unit}s in more than one split, which would leak from training into '
            f'evaluation: {some(dict.fromkeys(torn))}'
        )


def _sorted_names(names: set[str]) -> list[str]:
    """Sorted, and by value where all are numbers, so that index labels keep their order."""
    numeric = all(name.isdecimal() for name in names)
    return sorted(names, key=int) if numeric else sorted(names)
