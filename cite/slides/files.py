"""Which slides are meant by files and folders, what they are called, and when one has changed."""

from __future__ import annotations

import hashlib
import os
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from cite.errors import DataError
from cite.slides.readers import COMPANIONS, SUFFIXES

WRITTEN = 'predictions.parquet'
"""Pictures in a folder with such a file are results, not slides."""
LONGEST_NAME = 120
"""Bytes of a slide's name: disks allow 143 to 255, and temporary names are longer."""


def find_slides(sources: Sequence[Path]) -> list[Path]:
    """Files as they are; of folders all slides in and below them, sorted. A folder with `.dcm` files is one
    slide, whose levels they are. No slide comes twice. What is called like a
    slide but cannot be reached, such as a link that leads nowhere, is kept, so that it fails by name.

    Raises:
        DataError: No such file or folder, or no slide.
    """
    found: list[Path] = []
    for source in sources:
        source = source.expanduser()
        if not _reached(source) and not _lost(source):
            raise DataError(f'{source}: no such file or folder')
        found += _inside(source) if source.is_dir() else [source]
    unique = {os.path.realpath(slide): slide for slide in found}
    slides = [slide for slide in found if unique.pop(os.path.realpath(slide), None) is not None]
    if not slides:
        raise DataError(
            f'no slides in {", ".join(map(str, sources))}; known: {", ".join(SUFFIXES)}. Name a file to '
            'try another kind'
        )
    return slides


def _inside(folder: Path) -> list[Path]:
    slides: set[Path] = set()
    for path in folder.rglob('*'):
        hidden = any(part.startswith('.') for part in path.relative_to(folder).parts)
        if path.suffix.lower() not in SUFFIXES or hidden:
            continue
        if not _lost(path) and not path.is_file():
            continue
        if not (path.parent / WRITTEN).exists():
            slides.add(path.parent if path.suffix.lower() == '.dcm' else path)
    return sorted(slides)


def _lost(path: Path) -> bool:
    """A link that leads nowhere and is called like a slide."""
    return path.suffix.lower() in SUFFIXES and not _reached(path) and os.path.lexists(path)


def _reached(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # no permission, a name that is too long, links in a circle
        return False


def slide_names(slides: Sequence[Path]) -> list[str]:
    """A name per slide for its folder, no two alike: the file's without its suffix; where that is not
    enough with it, and with the folders above it. Long ones are cut and end in a hash."""
    names = [_stem(slide) for slide in slides]
    for parts in range(1, max((len(slide.parts) for slide in slides), default=0) + 1):
        counts = Counter(name.lower() for name in names)  # some disks do not tell case apart
        if len(counts) == len(names):
            break
        names = [
            '_'.join(part.strip('/\\:') for part in slide.absolute().parts[-parts:])
            if counts[name.lower()] > 1
            else name
            for slide, name in zip(slides, names, strict=True)
        ]
    return [_short(name) for name in names]


def _short(name: str) -> str:
    content = os.fsencode(name)
    printable = re.sub('[\ud800-\udfff]', '_', name)  # bytes that are no UTF-8
    if printable == name and len(content) <= LONGEST_NAME:
        return name
    cut = printable.encode()[: LONGEST_NAME - 9].decode(errors='ignore')
    return f'{cut}-{hashlib.sha256(content).hexdigest()[:8]}'


def _stem(slide: Path) -> str:
    name = slide.name or slide.resolve().name
    for suffix in (*SUFFIXES, '.ome'):
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            name = name[: -len(suffix)]
    return name.lstrip('.') or 'slide'


def data_folder(slide: Path) -> Path | None:
    """Where MIRAX and Hamamatsu slides keep their pixels: a folder of the file's name; None of others."""
    return slide.with_suffix('') if slide.suffix.lower() in COMPANIONS else None


def stamp(slide: Path) -> list[tuple[str, int, int]]:
    """Name, size and time of change of a slide's files: of a folder all of them, and of a file also those
    in its `data_folder`."""
    files = [slide] if slide.is_file() else []
    beside = data_folder(slide) or slide
    if beside.is_dir():
        files += sorted(path for path in beside.rglob('*') if path.is_file())
    stats = [(path.name, path.stat()) for path in files]
    return [(name, stat.st_size, stat.st_mtime_ns) for name, stat in stats]
