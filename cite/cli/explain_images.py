"""The images of `cite explain`: which there are, which can be read, and that none is written over."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from cite.cli.inference import image_files
from cite.errors import ConfigError, DataError


def images_without_former(paths: Sequence[Path], out: Path) -> list[Path]:
    """Files and those in folders, without what a former run wrote into `out`.

    Raises:
        DataError: A path that does not exist, or no images.
        ConfigError: A file of a former run, which would be removed, given as an image.
    """
    from cite.attribution.out_folder import former_files

    former = {_place(path) for path in former_files(out)}
    for path in paths:
        if _place(path) in former:
            raise ConfigError(
                f'{path} was written by a former run into --out; give the image itself'
            )
    own = [file for file in image_files(paths) if _place(file) not in former]
    if not own:
        raise DataError(
            f'no images in {", ".join(map(str, paths))} but those that a former run wrote'
        )
    return own


def readable(files: Sequence[Path]) -> tuple[list[Path], dict[Path, str]]:
    """Images that can be read, and why others cannot, which are named on stderr.

    Raises:
        DataError: None can be read.
    """
    from tqdm import tqdm

    from cite.images import load_rgb

    good, bad = [], {}
    for file in tqdm(files, unit='patch', desc='checking', delay=2):
        try:
            load_rgb(file)
        except DataError as error:
            bad[file] = str(error)
        else:
            good.append(file)
    if not good:
        first = next(iter(bad.values()))
        raise DataError(
            first if len(bad) == 1 else f'none of {len(bad)} images can be read; {first}'
        )
    for why in bad.values():
        print(f'left out: {why}', file=sys.stderr)
    return good, bad


def check_kept(images: Iterable[Path], written: Iterable[Path]) -> None:
    """That no result takes the place of an image.

    Raises:
        ConfigError: One would.
    """
    targets = {path.resolve() for path in written}
    for image in images:
        if image.resolve() in targets:
            raise ConfigError(f'{image} would be overwritten: give another folder as --out')


def _place(path: Path) -> Path:
    """A name in a folder; a link is itself and not what it points to."""
    return path.parent.resolve() / path.name
