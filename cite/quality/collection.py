"""A raw collection: rows of a manifest as they are, or the files of a folder.

Nothing is checked that filters are for: a file may be missing, damaged, or listed twice.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cite.data.text_files import read_rows
from cite.errors import DataError

_SUFFIXES = 'jpg jpeg jpe jfif png apng tif tiff bmp webp gif heic heif avif svg jp2 ppm'
IMAGE_SUFFIXES = frozenset(f'.{suffix}' for suffix in _SUFFIXES.split())
"""What a folder is searched for: also kinds that cannot be read here, so that they are named and not
passed over."""

CAPTION = 'caption'


@dataclass(frozen=True, eq=False)
class Collection:
    """Rows of a raw collection.

    Attributes:
        source: The manifest or folder, for messages.
        root: Folder that relative names are under.
        header: Columns of the rows.
        rows: Fields of each row, as they were.
        names: What the rows call their files.
        captions: Text of each row; None where the collection has no column of captions.
        caption_column: Its name; '' without one.
    """

    source: Path
    root: Path
    header: tuple[str, ...]
    rows: Sequence[Sequence[str]]
    names: Sequence[str]
    captions: Sequence[str] | None = None
    caption_column: str = ''

    def __len__(self) -> int:
        return len(self.rows)

    def path(self, row: int) -> Path:
        """Where the picture of a row lies."""
        return self.root / self.names[row]


def read_collection(
    source: str | Path,
    root: str | Path | None = None,
    captions_column: str | None = None,
    file_column: str = 'file',
    without: Sequence[Path] = (),
) -> Collection:
    """A CSV manifest with a header, or a folder of images and the folders in it.

    Args:
        source: `.csv` in UTF-8, or a folder.
        root: Folder of a manifest's files; default: the one it lies in.
        captions_column: Column of the captions; default: 'caption' where there is one.
        file_column: Column of the files.
        without: Folders that are not searched, such as the one that results are written to.

    Raises:
        DataError: Nothing there, no images, no such column, an empty name, not UTF-8, not CSV.
    """
    source = Path(source)
    if source.is_dir():
        return _folder(source, captions_column, [Path(path).resolve() for path in without])
    if source.suffix.lower() != '.csv':
        there = 'no such file or folder' if not source.exists() else 'neither a folder nor a .csv'
        raise DataError(f'{source}: {there}; give a folder of images or a CSV manifest')
    header, numbered = read_rows(source)
    wanted = CAPTION if captions_column is None else captions_column
    needed = [file_column] if captions_column is None else [file_column, captions_column]
    missing = [column for column in needed if column not in header]
    if missing:
        raise DataError(
            f'{source}: no column {", ".join(map(repr, missing))}, found {", ".join(header)}; '
            'name them with --file-column and --captions-column'
        )
    place = header.index(file_column)
    rows = []
    for number, row in numbered:
        if not row[place].strip():
            raise DataError(f'{source}, line {number}: no value in column {file_column!r}')
        rows.append(row)
    if not rows:
        raise DataError(f'{source}: a header and no rows')
    at = header.index(wanted) if wanted in header else None
    return Collection(
        source=source,
        root=source.parent if root is None else Path(root),
        header=tuple(header),
        rows=rows,
        names=[row[place] for row in rows],
        captions=None if at is None else [row[at] for row in rows],
        caption_column='' if at is None else wanted,
    )


def _folder(folder: Path, captions_column: str | None, without: Sequence[Path]) -> Collection:
    if captions_column is not None:
        raise DataError(f'{folder} is a folder, which has no captions; give a CSV manifest')
    names = list(_images(folder, '', without))
    if not names:
        raise DataError(f'no images in {folder}; known: {", ".join(sorted(IMAGE_SUFFIXES))}')
    return Collection(folder, folder, ('file',), [[name] for name in names], names)


def _images(folder: Path, prefix: str, without: Sequence[Path]) -> Iterator[str]:
    """Names below a folder, sorted; hidden ones are left out (macOS leaves '._name.jpg')."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.name.startswith('.'):
            continue
        if entry.is_dir():
            if Path(entry.path).resolve() not in without:
                yield from _images(Path(entry.path), f'{prefix}{entry.name}/', without)
        elif Path(entry.name).suffix.lower() in IMAGE_SUFFIXES:
            yield prefix + entry.name
