"""What the XML of an OME-TIFF says: the size of its pixels, and other files that it names."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from cite.errors import DataError
from cite.slides.readers.base import plausible_mpp

UNITS = {'µm': 1.0, 'μm': 1.0, 'um': 1.0, 'nm': 1e-3, 'mm': 1e3, 'cm': 1e4}
"""Units of OME's PhysicalSize in micrometres; the default is µm."""
LARGEST_XML = 2**22
"""Bytes of an OME description; those of slides have some thousand."""


def ome_mpp(description: Any) -> tuple[float, float] | None:
    """PhysicalSizeX and Y of the first image of an OME description."""
    root = _parsed(description)
    if root is not None:
        for element in root.iter():
            if _name(element) == 'Pixels':
                return plausible_mpp(_size(element, 'X'), _size(element, 'Y'))
    return None


def check_alone(path: Path) -> None:
    """Refuses an OME-TIFF whose pixels lie in other files: readers would follow such a name anywhere.

    `<UUID FileName="…">` in `<TiffData>` says where a plane lies (OME-TIFF specification, 6.0). A file is
    known as itself by the UUID of the whole document, or else by its name.

    Raises:
        DataError: It names another file.
    """
    try:
        import tifffile

        with tifffile.TiffFile(path) as file:
            root = _parsed(file.pages.first.description)
    except Exception:  # no TIFF, or a damaged one: the readers say what is wrong
        return
    if root is None:
        return
    own = root.get('UUID')
    for data in root.iter():
        if _name(data) != 'TiffData':
            continue
        for uuid in data:
            named = uuid.get('FileName', '')
            itself = (own is not None and uuid.text == own) or named.lower() == path.name.lower()
            if _name(uuid) == 'UUID' and not itself:
                what = f'another file, {named[:200]!r}' if named else 'another file without a name'
                raise DataError(
                    f'slide {path}: its OME-XML says that pixels lie in {what}. Only slides in a single '
                    'file are read: join the files (bfconvert does), or undo a change of the name'
                )


def _parsed(description: Any) -> ElementTree.Element | None:
    text = str(description or '')
    if '<OME' not in text[:4096] or len(text) > LARGEST_XML or '<!ENTITY' in text:
        return None
    try:
        return ElementTree.fromstring(text)  # no entities, see above
    except ElementTree.ParseError:
        return None


def _name(element: ElementTree.Element) -> str:
    return str(element.tag).rpartition('}')[2]


def _size(pixels: ElementTree.Element, axis: str) -> float | None:
    unit = UNITS.get(pixels.get(f'PhysicalSize{axis}Unit', 'µm'))
    try:
        return float(pixels.get(f'PhysicalSize{axis}', '')) * unit if unit else None
    except ValueError:
        return None
