"""How large patches are: what is said of them, against the files."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cite.data.table import PatchTable, some
from cite.errors import DataError


def sample_sizes(table: PatchTable, most: int = 64) -> NDArray[np.int64]:
    """Width and height of some files evenly spread over a table, K × 2, read off their headers.

    Files that are no images are passed over; decoding them is `scan_images`'s.
    """
    found = []
    for row in np.unique(np.linspace(0, len(table) - 1, most).astype(int)):
        try:
            with Image.open(table.path(int(row))) as image:
                found.append(image.size)
        except Exception:  # of a dozen kinds, see cite.images.read
            continue
    return np.array(found, dtype=np.int64).reshape(-1, 2)


def settle_patch_size(
    said: int | None, sizes: NDArray[np.int64], source: str
) -> tuple[int | None, str]:
    """The size of square patches, and a line about it; None where they differ or are not square.

    Args:
        said: pixels along a side, by the user; None: whatever the files have.
        sizes: width and height of files, K × 2.
        source: where the files are, for messages.

    Raises:
        DataError: files of another size than said.
    """
    counts = Counter(f'{width} × {height}' for width, height in sizes.tolist())
    names = some([f'{name} ({n} images)' for name, n in counts.most_common(5)], len(counts))
    if said is not None:
        if set(counts) - {f'{said} × {said}'}:
            raise DataError(
                f'{source}: --patch-size is {said}, but of {len(sizes)} images looked at the sizes '
                f'are {names}'
            )
        return said, f'patch size: {said} × {said} pixels'
    sides = np.unique(sizes)
    if len(sides) == 1:
        return int(sides[0]), f'patch size: {sides[0]} × {sides[0]} pixels'
    return None, f'warning: patch size not recorded, images differ or are not square: {names}'
