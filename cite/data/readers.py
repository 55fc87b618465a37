"""Patch tables from files: mmpretrain annotations, CSV manifests, folders of classes.

Readers keep the order of the file they read (folders are read in sorted order); `read_patches`
sorts by file name unless told otherwise, so that results do not depend on how a list was written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from cite.data.slide_names import SLIDE_PATTERN, slides_from_names
from cite.data.table import PatchTable, some
from cite.data.text_files import read_lines, read_rows, require_file
from cite.errors import ConfigError, DataError

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp', '.webp'})
COLUMNS = ('file', 'label', 'slide', 'patient', 'split')


def read_patches(
    path: str | Path,
    root: str | Path | None = None,
    classes: Sequence[str] | None = None,
    keep_order: bool = False,
    **options: Any,
) -> PatchTable:
    """Read patches from whatever `path` is: a folder, a `.csv` manifest or an annotation file.

    Args:
        path: what to read.
        root: folder that relative files are under; default the folder that `path` lies in. A
            folder of classes is its own root.
        classes: class names in label order.
        keep_order: leave rows in the order of the file; default sorted by file name.
        options: `split` and `columns` for a manifest, `slide_pattern` for the others.

    Raises:
        DataError: nothing there, or what is there cannot be read as patches.
        ConfigError: an option that does not go with this kind of source.
    """
    path = Path(path)
    kind, known = 'an annotation file', {'slide_pattern'}
    if path.is_dir():
        kind = 'a folder of classes'
    elif path.suffix.lower() == '.csv':
        kind, known = 'a CSV manifest', {'split', 'columns'}
    unknown = sorted(set(options) - known)
    if unknown:
        raise ConfigError(f'{path} is read as {kind}, which takes {sorted(known)}, not {unknown}')
    if path.is_dir():
        if root is not None and Path(root).resolve() != path.resolve():
            raise ConfigError(f'{path} is a folder of classes and its own root; leave root out')
        table = read_folder(path, classes, **options)
    elif path.suffix.lower() == '.csv':
        table = read_csv(path, root, classes, **options)
    elif classes is None:
        require_file(path)
        raise DataError(f'{path}: an annotation file has no class names; give classes=[...]')
    else:
        table = read_annotation(path, root, classes, **options)
    return table if keep_order else table.sorted()


def read_annotation(
    path: str | Path,
    root: str | Path | None,
    classes: Sequence[str],
    slide_pattern: str | None = SLIDE_PATTERN,
) -> PatchTable:
    """Read mmpretrain's `filename label` lines.

    The label is an index into `classes` or, failing that, a class name. File names may hold spaces.
    Slides come from file names, see `slides_from_names`.

    Raises:
        DataError: no such file, empty, not UTF-8, a line without a label, an unknown label, or a
            table that contradicts itself (`PatchTable.check`).
    """
    path = Path(path)
    files: list[str] = []
    labels: list[int] = []
    # The longest name first: 'type a' must not be taken for the class 'a'.
    names = sorted(enumerate(classes), key=lambda item: -len(item[1]))
    for number, line in enumerate(read_lines(path), start=1):
        line = line.rstrip()
        if not line:
            continue
        file, last = [*line.rsplit(maxsplit=1), ''][:2]
        label = int(last) if last.isdecimal() else -1
        if label < 0:
            for index, name in names:
                if line.endswith((f' {name}', f'\t{name}')):
                    file, label = line[: -len(name)].rstrip(), index
                    break
        if not 0 <= label < len(classes) or not file:
            raise DataError(
                f'{path}, line {number}: expected "filename label" with a label of '
                f'0 to {len(classes) - 1} or one of {list(classes)}, found {line!r}'
            )
        files.append(file)
        labels.append(label)
    return _table(files, labels, slides_from_names(files, slide_pattern, path), classes, path, root)


def read_csv(
    path: str | Path,
    root: str | Path | None = None,
    classes: Sequence[str] | None = None,
    split: str | None = None,
    columns: Mapping[str, str] | None = None,
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
            patch its own slide.

    Raises:
        DataError: no such file, empty, not UTF-8, missing columns, an empty field, an unknown
            label or split, a slide or patient in two splits, or a table that contradicts itself
            (`PatchTable.check`).
        ConfigError: `columns` names a column that manifests do not have.
    """
    path = Path(path)
    columns = dict(columns or {})
    strange = sorted(set(columns) - set(COLUMNS))
    if strange:
        raise ConfigError(f'columns may map {list(COLUMNS)}, not {strange}')
    header, rows = read_rows(path)
    place = {name: columns.get(name, name) for name in COLUMNS}
    required = ['file', 'label', 'slide', *(['split'] if split is not None else []), *columns]
    missing = [place[name] for name in dict.fromkeys(required) if place[name] not in header]
    if missing:
        raise DataError(
            f'{path}: missing columns {missing}, found {header}; '
            "say which columns to use with columns={'slide': 'name in the file'}"
            " (columns={'slide': 'file'}: every patch is its own slide)"
        )
    used = {name: header.index(place[name]) for name in COLUMNS if place[name] in header}
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
    table = _table(
        values['file'], labels, values['slide'], classes, path, root, values.get('patient')
    )
    if 'split' in values:
        for unit in ('slide', 'patient'):
            _check_splits(unit, values.get(unit, []), values['split'], path)
    if split is None:
        return table
    rows_of_split = np.array(values['split']) == split
    if not rows_of_split.any():
        known = sorted(set(values['split']))
        raise DataError(f'{path}: no split {split!r}, the file has {known}')
    return table.subset(rows_of_split)


def read_folder(
    root: str | Path,
    classes: Sequence[str] | None = None,
    slide_pattern: str | None = SLIDE_PATTERN,
) -> PatchTable:
    """Read `root/class/*.jpg` (also jpeg, png, tif, tiff, bmp, webp), folders within included.

    Args:
        root: folder with one folder per class.
        classes: folders to read, in label order; default all of them, sorted.
        slide_pattern: see `slides_from_names`; it is matched on `class/.../name.jpg`.

    Raises:
        DataError: no such folder, no class folder, no image, or names without a slide.
    """
    root = Path(root)
    if not root.is_dir():
        raise DataError(f'{root}: no such folder')
    found = sorted(p.name for p in root.iterdir() if p.is_dir() and not p.name.startswith('.'))
    names = found if classes is None else list(classes)
    missing = [name for name in names if name not in found]
    if missing or not names:
        raise DataError(f'{root}: expected one folder per class {names or ""}, found {found}')
    files = [list(_images_under(root / name, name)) for name in names]
    labels = [label for label, members in enumerate(files) for _ in members]
    flat = [file for members in files for file in members]
    return _table(flat, labels, slides_from_names(flat, slide_pattern, root), names, root, root)


def _table(
    files: list[str],
    labels: list[int],
    slides: list[str],
    classes: Sequence[str],
    source: Path,
    root: str | Path | None,
    patients: list[str] | None = None,
) -> PatchTable:
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
    table.check(require_every_class=False)
    return table


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


def _check_splits(unit: str, members: list[str], splits: list[str], path: Path) -> None:
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


def _images_under(folder: Path, prefix: str) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith('.'):
            continue  # macOS leaves '._name.jpg' beside name.jpg
        if entry.is_dir():
            yield from _images_under(folder / entry.name, f'{prefix}/{entry.name}')
        elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
            yield f'{prefix}/{entry.name}'
