"""A pyramidal, tiled TIFF such as slide scanners write, and OpenSlide, tifffile and libtiff read.

Plain TIFF 6.0 with JPEG tiles (compression 7, each tile a whole JPEG stream), a page per level. Pages
after the first are marked as reduced in resolution, which is how OpenSlide's generic reader knows them.
"""

from __future__ import annotations

import io
import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from cite.atomic import write_bytes

TILE = 256  # pixels
STEP = 4  # each level has a fourth of the pixels along a side, as scanners' mostly do

_SHORT, _LONG, _RATIONAL, _ASCII = 3, 4, 5, 2
_CODE = {_SHORT: 'H', _LONG: 'I', _RATIONAL: 'I', _ASCII: 'B'}
_YCBCR, _JPEG, _CENTIMETRE = 6, 7, 3

Tag = tuple[int, int, list[int]]


def write_pyramid(
    path: Path, image: npt.NDArray[np.uint8], mpp: float, description: str, quality: int
) -> None:
    """Write an image with its reduced levels, down to the first that fits in one tile.

    Args:
        path: of the file; replaced as a whole.
        image: (height, width, 3) RGB.
        mpp: micrometres per pixel, told as pixels per centimetre in the resolution tags.
        description: text of the first page, ASCII.
        quality: of the JPEG tiles.
    """
    content = bytearray(struct.pack('<2sHI', b'II', 42, 0))
    pages: list[list[Tag]] = []
    level = Image.fromarray(image)
    while True:
        offsets, sizes = _append_tiles(content, level, quality)
        page = [*_layout(level, bool(pages)), *_resolution(mpp * STEP ** len(pages))]
        page += [(324, _LONG, offsets), (325, _LONG, sizes)]
        if not pages:
            page.append((270, _ASCII, [*description.encode('ascii'), 0]))
        pages.append(page)
        if max(level.size) <= TILE:
            break
        level = level.reduce(STEP)
    pointer = 4  # where the offset of the next page belongs
    for page in pages:
        struct.pack_into('<I', content, pointer, len(content))
        pointer = _append_page(content, sorted(page))
    write_bytes(path, bytes(content))


def _append_tiles(
    content: bytearray, level: Image.Image, quality: int
) -> tuple[list[int], list[int]]:
    """Add the tiles of a level, row by row; beyond the image its border is repeated.

    Returns:
        Where each tile starts, and its bytes.
    """
    offsets, sizes = [], []
    beyond = ((0, -level.height % TILE), (0, -level.width % TILE), (0, 0))
    pixels = np.pad(np.asarray(level), beyond, mode='edge')
    for top in range(0, level.height, TILE):
        for left in range(0, level.width, TILE):
            tile = pixels[top : top + TILE, left : left + TILE]
            stream = io.BytesIO()
            Image.fromarray(tile).save(stream, 'JPEG', quality=quality, subsampling='4:2:0')
            offsets.append(len(content))
            sizes.append(stream.tell())
            content += stream.getvalue() + b'\0' * (stream.tell() % 2)
    return offsets, sizes


def _layout(level: Image.Image, reduced: bool) -> list[Tag]:
    return [
        (254, _LONG, [int(reduced)]),
        (256, _LONG, [level.width]),
        (257, _LONG, [level.height]),
        (258, _SHORT, [8, 8, 8]),
        (259, _SHORT, [_JPEG]),
        (262, _SHORT, [_YCBCR]),
        (277, _SHORT, [3]),  # samples per pixel
        (284, _SHORT, [1]),  # stored pixel by pixel
        (322, _LONG, [TILE]),
        (323, _LONG, [TILE]),
        (530, _SHORT, [2, 2]),  # chroma is halved both ways
    ]


def _resolution(mpp: float) -> list[Tag]:
    per_centimetre = 10000 / Fraction(mpp).limit_denominator(10**4)
    ratio = [per_centimetre.numerator, per_centimetre.denominator]
    return [(282, _RATIONAL, ratio), (283, _RATIONAL, ratio), (296, _SHORT, [_CENTIMETRE])]


def _append_page(content: bytearray, tags: list[Tag]) -> int:
    """Add a page's directory and the values that do not fit in it.

    Returns:
        Where the offset of the next page belongs; it is 0, for none, until that is known.
    """
    start = len(content)
    beyond = start + 2 + 12 * len(tags) + 4
    entries, values = struct.pack('<H', len(tags)), bytearray()
    for number, kind, found in tags:
        packed = struct.pack(f'<{len(found)}{_CODE[kind]}', *found)
        count = len(found) // 2 if kind == _RATIONAL else len(found)
        if len(packed) > 4:
            place = struct.pack('<I', beyond + len(values))
            values += packed + b'\0' * (len(packed) % 2)
        else:
            place = packed.ljust(4, b'\0')
        entries += struct.pack('<HHI', number, kind, count) + place
    content += entries + b'\0' * 4 + values
    return beyond - 4
