"""Slides of every kind as one: `open_slide(path)`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from cite.errors import DataError
from cite.slides.readers.base import Level, RegionError, SlideReader

__all__ = ['COMPANIONS', 'SUFFIXES', 'Level', 'RegionError', 'SlideReader', 'open_slide']

SUFFIXES = (
    '.svs', '.ndpi', '.scn', '.mrxs', '.vms', '.vmu', '.bif', '.svslide', '.tif', '.tiff', '.dcm',
)  # fmt: skip
"""What slides are called; others are tried as well."""
COMPANIONS = ('.mrxs', '.vms', '.vmu')
"""Of `SUFFIXES`, those of files that name others, in which the pixels are."""


def open_slide(path: str | Path) -> SlideReader:
    """Opens a slide with the reader that knows it best; close it, or use it in a `with`.

    OME-TIFF goes to tifffile first, which knows its levels and its resolution. All else goes to OpenSlide
    first; what it does not open is tried by the others.

    Raises:
        DataError: No such file, an empty one, one whose pixels lie in files that it has no business to
            name, or none that any reader opens: what each of them said.
        ConfigError: A library that would be needed is not installed.
    """
    path = Path(path).expanduser()
    if not path.exists():
        where = f' (a link to {path.resolve()}, which is not there)' if path.is_symlink() else ''
        raise DataError(f'slide {path}: no such file{where}')
    if not os.access(path, os.R_OK):
        raise DataError(f'slide {path}: no permission to read it')
    if path.is_file() and path.stat().st_size == 0:
        raise DataError(f'slide {path}: the file is empty')
    if path.name.lower().endswith(('.tif', '.tiff', '.svs')):
        from cite.slides.readers.ome import check_alone

        check_alone(path)
    if path.name.lower().endswith(('.tif', '.tiff')):
        from cite.slides.readers.tiff import check_rgb

        check_rgb(path)
    said = []
    for reader in _readers(path):
        try:
            return reader(path)
        except DataError as error:
            said.append(str(error).replace(f'{path}: ', ''))
    hint = ''
    if path.is_dir():
        hint = '. A folder is read as DICOM; of a MIRAX slide give the .mrxs file beside its folder'
    elif path.suffix.lower() == '.mrxs' and not path.with_suffix('').is_dir():
        hint = (
            f'. Its folder {path.with_suffix("")} is missing: a MIRAX slide is a file and a folder'
        )
    raise DataError(f'slide {path}: no reader opens it. {"; ".join(dict.fromkeys(said))}{hint}')


def _readers(path: Path) -> list[Callable[[Path], SlideReader]]:
    from cite.slides.readers.dicom import DicomReader
    from cite.slides.readers.openslide import OpenSlideReader
    from cite.slides.readers.tiff import TiffReader

    name = path.name.lower()
    if path.is_dir():
        return [DicomReader]
    if name.endswith(('.ome.tif', '.ome.tiff')):
        return [TiffReader, OpenSlideReader]
    if name.endswith('.dcm'):
        return [OpenSlideReader, DicomReader]
    if name.endswith(('.tif', '.tiff', '.svs')):
        return [OpenSlideReader, TiffReader]
    return [OpenSlideReader]
