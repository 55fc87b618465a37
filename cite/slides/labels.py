"""A table of slides: `slide,label[,patient][,mpp]`, and which file each of them is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from cite.data.table import some
from cite.data.text_files import read_rows
from cite.errors import DataError
from cite.slides.files import slide_names
from cite.slides.readers.base import PLAUSIBLE

WANTED = ('slide', 'label')
KNOWN = (*WANTED, 'patient', 'mpp')


class LabelledSlide(NamedTuple):
    """A slide with what is known of it."""

    path: Path
    name: str
    label: str
    patient: str | None = None
    mpp: float | None = None


def read_labels(path: Path, slides: Sequence[Path]) -> list[LabelledSlide]:
    """The slides of a table, in its order.

    Args:
        path: CSV with the columns slide and label, and patient and mpp (micrometres per pixel of level 0)
            where they are known. A slide is a file name, with or without its suffix,
            or the end of its path (site1/x.svs).
        slides: Files among which they are looked for.

    Raises:
        DataError: Missing columns, an empty or repeated slide, one that is no file or several, or an mpp
            that is no number.
    """
    header, rows = read_rows(path)
    missing = [name for name in WANTED if name not in header]
    if missing:
        raise DataError(f'{path}: missing columns {missing}, found {header}; expected {KNOWN}')
    by_name: dict[str, list[Path]] = {}
    for file in slides:
        parts = file.absolute().parts
        ends = {'/'.join(parts[-n:]) for n in range(1, len(parts))}  # x.svs, site1/x.svs, …
        for name in {*ends, file.stem, slide_names([file])[0]}:
            by_name.setdefault(name, []).append(file)
    found: list[LabelledSlide] = []
    absent: list[str] = []
    for line, row in rows:
        value = dict(zip(header, (cell.strip() for cell in row), strict=True))
        if not value['slide'] or not value['label']:
            raise DataError(f'{path}, line {line}: a slide without a name or a label')
        files = by_name.get(value['slide'], [])
        if len(files) > 1:
            raise DataError(
                f'{path}, line {line}: slide {value["slide"]!r} is more than one file: '
                f'{some(map(str, files))}; name it with its suffix, or with its folder (site1/x.svs)'
            )
        if not files:
            absent.append(value['slide'])
            continue
        mpp = _mpp(value.get('mpp', ''), path, line)
        found.append(
            LabelledSlide(
                files[0], slide_names(files)[0], value['label'], value.get('patient') or None, mpp
            )
        )
    if absent:
        raise DataError(
            f'{path}: {len(absent)} slides are no files: {some(absent)}. There are '
            f'{some([file.name for file in slides])}'
        )
    paths = [slide.path for slide in found]
    twice = sorted(str(path) for path, count in Counter(paths).items() if count > 1)
    if twice or not found:
        raise DataError(
            f'{path}: slides are named more than once: {some(twice)}'
            if twice
            else f'{path}: no rows'
        )
    names = slide_names(paths)
    found = [slide._replace(name=name) for slide, name in zip(found, names, strict=True)]
    known = [slide.patient is not None for slide in found]
    if any(known) and not all(known):
        raise DataError(
            f'{path}: some slides have a patient and others none; fill the column or drop it'
        )
    return found


def _mpp(text: str, path: Path, line: int) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError as error:
        raise DataError(f'{path}, line {line}: mpp must be a number, found {text!r}') from error
    if value is not None and not PLAUSIBLE[0] <= value <= PLAUSIBLE[1]:
        raise DataError(
            f'{path}, line {line}: mpp of a slide must be {PLAUSIBLE[0]} to {PLAUSIBLE[1]} µm per pixel, '
            f'found {text}'
        )
    return value
