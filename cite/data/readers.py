"""Patch tables from files: mmpretrain annotations, folders of classes; CSV manifests by `csv_manifest`.

Readers keep the order of the file they read (folders are read in sorted order); `read_patches`
sorts by file name unless told otherwise, so that results do not depend on how a list was written.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cite.data.checked_table import checked_table
from cite.data.csv_manifest import read_csv
from cite.data.slide_names import SLIDE_PATTERN, patients_from_names, slides_from_names
from cite.data.table import PatchTable
from cite.data.text_files import read_lines, require_file
from cite.errors import ConfigError, DataError

IMAGE_SUFFIXES = frozenset({'.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp', '.webp'})


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
    return checked_table(
        files, labels, slides_from_names(files, slide_pattern, path), classes, path, root
    )


def read_folder(
    root: str | Path,
    classes: Sequence[str] | None = None,
    slide_pattern: str | None = SLIDE_PATTERN,
    patient_pattern: str | None = None,
    one_class_per_slide: bool = True,
) -> PatchTable:
    """Read `root/class/*.jpg` (also jpeg, png, tif, tiff, bmp, webp), folders within included.

    Args:
        root: folder with one folder per class.
        classes: folders to read, in label order; default all of them, sorted.
        slide_pattern: see `slides_from_names`; it is matched on `class/.../name.jpg`.
        patient_pattern: see `patients_from_names`; default: patients are not known.
        one_class_per_slide: see `PatchTable.check`.

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
    slides = slides_from_names(flat, slide_pattern, root)
    patients = patient_pattern and patients_from_names(flat, patient_pattern, root)
    return checked_table(
        flat, labels, slides, names, root, root, patients or None, one_class_per_slide
    )


def _images_under(folder: Path, prefix: str) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith('.'):
            continue  # macOS leaves '._name.jpg' beside name.jpg
        if entry.is_dir():
            yield from _images_under(folder / entry.name, f'{prefix}/{entry.name}')
        elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
            yield f'{prefix}/{entry.name}'
