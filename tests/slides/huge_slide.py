"""A slide of 100,000 x 100,000 pixels in a few megabytes: its tiles share bytes, and glass has none."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
from drawn_pyramids import texture
from PIL import Image

from cite.data.synthetic.pyramid import TILE, _append_page, _layout, _resolution

SIDE = 100_000
LEVELS = (1, 4, 16)
PATCH = TILE * LEVELS[-1]
"""Pixels of level 0 under a tile of the coarsest level."""


def write_huge(
    path: Path, share: float, mpp: float = 0.25, levels: tuple[int, ...] = LEVELS, whole: int = SIDE
) -> float:
    """Tissue on `share` of the slide, in squares of `PATCH`; returns the exact share."""
    across = whole // PATCH
    order = np.random.default_rng(0).permutation(across**2)
    count = round(share * whole**2 / PATCH**2)
    tissue = np.zeros((across + 1, across + 1), bool)
    tissue[np.divmod(order[:count], across)] = True
    grain = texture(TILE, TILE * 8, smooth=0.8).astype(int)
    pixels = (np.array([200, 120, 170]) + (grain - 128) // 4).clip(0, 255).astype(np.uint8)
    content = bytearray(struct.pack('<2sHI', b'II', 42, 0))
    places = []
    for number in range(8):
        stream = io.BytesIO()
        Image.fromarray(pixels[number * TILE :][:TILE]).save(stream, 'JPEG', subsampling='4:2:0')
        places.append((len(content), stream.tell()))
        content += stream.getvalue() + b'\0' * (stream.tell() % 2)
    pages = []
    for by in levels:
        side = -(-whole // by)
        page: list[Any] = [*_layout(SimpleNamespace(width=side, height=side), by > 1)]
        page += _resolution(mpp * by)
        rows = np.arange(-(-side // TILE)) * TILE * by // PATCH
        held = tissue[rows[:, None], rows[None, :]].ravel()
        which = np.where(held, np.arange(held.size) % len(places), -1).tolist()
        page.append((324, 4, [places[n][0] if n >= 0 else 0 for n in which]))
        page.append((325, 4, [places[n][1] if n >= 0 else 0 for n in which]))
        pages.append(page)
    pointer = 4
    for page in pages:
        struct.pack_into('<I', content, pointer, len(content))
        pointer = _append_page(content, sorted(page))
    path.write_bytes(bytes(content))
    return count * PATCH**2 / whole**2
