"""A region that reaches over the edge of a level: what lies inside, on a white page."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from cite.slides.readers.base import Pixels


def on_page(
    left: int,
    top: int,
    width: int,
    height: int,
    size: tuple[int, int],
    inside: Callable[[int, int, int, int], Pixels],
) -> Pixels:
    """A region of a level for readers that know only what lies inside of it.

    Args:
        left, top, width, height: The region, in pixels of the level.
        size: Width and height of the level.
        inside: (left, top, width, height) within the level → pixels.
    """
    x0, y0 = max(left, 0), max(top, 0)
    x1, y1 = min(left + width, size[0]), min(top + height, size[1])
    if (x0, y0, x1, y1) == (left, top, left + width, top + height):
        return inside(left, top, width, height)
    page = np.full((height, width, 3), 255, np.uint8)
    if x1 > x0 and y1 > y0:
        part = inside(x0, y0, x1 - x0, y1 - y0)
        page[y0 - top : y1 - top, x0 - left : x1 - left] = part
    return page
