"""The argument SOURCE of verbs that take images, with labels or without."""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cite.cli.inference import SUFFIXES, image_files, lies_in
from cite.errors import ConfigError, DataError

if TYPE_CHECKING:
    from cite.data.table import PatchTable


class ImageSource(NamedTuple):
    """Images that a verb works on.

    Attributes:
        files: Their paths.
        names: What tables and features call them: as the manifest writes them, else the path below the
            folder of classes, else the path as it was given.
        table: Labels, slides, patients, classes; None where no labels are known. Its rows are those of
            `files`.
        slides_known: Whether the source says which slide a patch is of; else each is its own slide.
    """

    files: list[Path]
    names: list[str]
    table: PatchTable | None
    slides_known: bool = False


def add_source_arguments(parser: argparse.ArgumentParser, nargs: str = '+') -> None:
    """SOURCE, --root, --split."""
    parser.add_argument(
        'source',
        type=Path,
        nargs=nargs,
        metavar='SOURCE',
        help='a folder with one folder per class, a CSV manifest (file[,label][,slide][,split]), or '
        'images and folders without labels',
    )
    parser.add_argument('--root', type=Path, help="folder of a manifest's files (default: its own)")
    parser.add_argument('--split', help="a manifest's rows of this split only")
    parser.add_argument(
        '--slide-pattern',
        metavar='REGEX',
        help="how file names tell slides, with a group (?P<slide>…); default: a manifest's column slide, "
        'else every patch is its own slide',
    )


def read_source(args: argparse.Namespace, classes: Sequence[str] | None = None) -> ImageSource:
    """What `add_source_arguments` was given.

    Raises:
        DataError: Nothing there, or what is there contradicts itself.
        ConfigError: Options that do not go together.
    """
    given = args.source if isinstance(args.source, list) else [args.source]
    written = [getattr(args, name, None) for name in ('out', 'index')]
    without = [folder for folder in written if isinstance(folder, Path)]
    return read_images(given, args.root, args.split, classes, args.slide_pattern, without)


def read_images(
    source: Sequence[Path],
    root: Path | None = None,
    split: str | None = None,
    classes: Sequence[str] | None = None,
    slide_pattern: str | None = None,
    without: Sequence[Path] = (),
) -> ImageSource:
    """Images of folders, files or one manifest; of one folder of classes or a manifest with labels.

    A manifest without a column slide makes every patch its own slide, and so does a folder. A slide may
    have patches of several classes.

    Args:
        without: Folders that are no source wherever they lie, such as that of the results.

    Raises:
        DataError, ConfigError: See `read_source`.
    """
    manifests = [path for path in source if path.suffix.lower() == '.csv']
    if manifests:
        if len(source) > 1:
            raise ConfigError(
                f'{manifests[0]}: a manifest stands alone, found {len(source)} sources'
            )
        return _of_manifest(manifests[0], root, split, classes, slide_pattern)
    if root is not None or split is not None:
        raise ConfigError('--root and --split go with a CSV manifest')
    if len(source) == 1 and source[0].is_dir() and (found := _classes_in(source[0], without)):
        from cite.data.readers import read_folder

        table = read_folder(source[0], classes or found, slide_pattern, one_class_per_slide=False)
        return _of_table(table, slide_pattern is not None)
    if slide_pattern is not None:
        raise ConfigError('--slide-pattern goes with labels: a folder of classes or a manifest')
    files = image_files(source, without)
    return ImageSource(files, [str(file) for file in files], None)


def _classes_in(folder: Path, without: Sequence[Path]) -> list[str]:
    """Folders of a folder, sorted; none where images lie beside them. One that results are written into is
    no class."""
    entries = [entry for entry in folder.iterdir() if not entry.name.startswith('.')]
    if any(entry.suffix.lower() in SUFFIXES for entry in entries if entry.is_file()):
        return []
    folders = [entry for entry in entries if entry.is_dir()]
    return sorted(f.name for f in folders if not any(lies_in(out, f) for out in without))


def _of_manifest(
    path: Path,
    root: Path | None,
    split: str | None,
    classes: Sequence[str] | None,
    slide_pattern: str | None,
) -> ImageSource:
    from cite.data.csv_manifest import read_column, read_csv
    from cite.data.text_files import read_rows

    header, _ = read_rows(path)
    if 'label' in header:
        known = 'slide' in header or slide_pattern is not None
        columns = {} if known else {'slide': 'file'}
        table = read_csv(
            path, root, classes, split, columns, slide_pattern, one_class_per_slide=False
        )
        return _of_table(table, known)
    names = read_column(path, 'file')
    if split is not None:
        parts = read_column(path, 'split')
        names = [name for name, part in zip(names, parts, strict=True) if part == split]
        if not names:
            raise DataError(f'{path}: no split {split!r}, the file has {sorted(set(parts))}')
    if not names:
        raise DataError(f'{path}: no images in it')
    if not all(names):
        raise DataError(f'{path}: no value in column file, row {names.index("") + 1}')
    twice = sorted(name for name, count in Counter(names).items() if count > 1)
    if twice:
        raise DataError(f'{path}: files are named more than once: {", ".join(twice[:5])}')
    folder = path.parent if root is None else root
    return ImageSource([folder / name for name in names], names, None)


def _of_table(table: PatchTable, slides_known: bool) -> ImageSource:
    ordered = table.sorted()
    names = ordered.files.tolist()
    return ImageSource([ordered.root / name for name in names], names, ordered, slides_known)
