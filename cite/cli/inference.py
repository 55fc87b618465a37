"""Arguments that the verbs of inference share: `predict`, `features`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cite.cli.parsing import count
from cite.errors import DataError

SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp', '.webp')


def add_inference_arguments(parser: argparse.ArgumentParser) -> None:
    """Batch size, workers, device."""
    parser.add_argument(
        '--batch-size',
        type=batch_size,
        default='auto',
        metavar='N',
        help='patches computed at once; auto (default): as memory allows. Halved where it does not last',
    )
    parser.add_argument(
        '--workers',
        type=workers,
        metavar='N',
        help='threads that read while the model computes (default: one per core; 0: none)',
    )
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: what there is)')


def batch_size(text: str) -> int | Literal['auto']:
    """'auto' or a whole number from 1."""
    return 'auto' if text == 'auto' else count(text)


def workers(text: str) -> int:
    """A whole number from 0."""
    return 0 if text == '0' else count(text)


def image_files(paths: Sequence[Path], without: Sequence[Path] = ()) -> list[Path]:
    """Files as they are, and those in folders and below, sorted; hidden ones are passed over.

    Args:
        without: Folders that are passed over, such as that of the results.

    Raises:
        DataError: A path that does not exist, or no images.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = (p for p in path.rglob('*') if p.suffix.lower() in SUFFIXES)
            seen = (p for p in inside if not p.name.startswith('.') and p.is_file())
            files += sorted(p for p in seen if not any(lies_in(p, out) for out in without))
        elif path.is_file():
            files.append(path)
        else:  # now, not when its batch is due
            raise DataError(f'{path}: no such file or folder')
    if not files:
        raise DataError(f'no images in {", ".join(map(str, paths))}; known: {", ".join(SUFFIXES)}')
    return files


def lies_in(path: Path, folder: Path) -> bool:
    """Whether a path is a folder or lies below it, by their absolute paths."""
    return path.absolute().is_relative_to(folder.absolute())
