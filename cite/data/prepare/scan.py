"""One pass over the images of a table: every file decoded once, for all that is asked of it."""

from __future__ import annotations

from dataclasses import dataclass
from multiprocessing.pool import ThreadPool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cite.data.prepare.fingerprint import GRID, Fingerprint, fingerprint
from cite.data.table import PatchTable
from cite.data.verify import BadImage
from cite.errors import DataError
from cite.images import load_rgb


@dataclass(frozen=True)
class Scan:
    """What a pass found, row by row of the table; rows of bad files hold zeros.

    Attributes:
        bad: files that do not decode.
        sizes: width and height in pixels, N × 2.
        digests: fingerprints' digests, N × 16 bytes.
        grids: fingerprints' grids, uint8, N × 16 × 16 × 3.
        spreads: fingerprints' spreads, N.
    """

    bad: tuple[BadImage, ...]
    sizes: NDArray[np.int64]
    digests: NDArray[np.uint8]
    grids: NDArray[np.uint8]
    spreads: NDArray[np.float64]

    def subset(self, rows: NDArray) -> Scan:
        """The rows at a mask or at indices; `bad` stays."""
        return Scan(
            self.bad, self.sizes[rows], self.digests[rows], self.grids[rows], self.spreads[rows]
        )


def scan_images(table: PatchTable, workers: int = 4, progress: bool = True) -> Scan:
    """Decode every image of a table and take its fingerprint.

    Args:
        table: what to decode.
        workers: threads (decoding runs outside Python's lock). The result does not depend on them.
        progress: show a bar.
    """
    from threadpoolctl import threadpool_limits  # comes with scikit-learn
    from tqdm import tqdm

    count = len(table)
    sizes = np.zeros((count, 2), np.int64)
    digests = np.zeros((count, 16), np.uint8)
    grids = np.zeros((count, GRID, GRID, 3), np.uint8)
    spreads = np.zeros(count)
    bad = []
    # a fingerprint is a small product of matrices: BLAS's threads in each of ours wait for each other
    with threadpool_limits(1), ThreadPool(max(1, workers)) as pool:
        seen = pool.imap(_see, (table.path(row) for row in range(count)), chunksize=16)
        bar = tqdm(seen, 'images', count, unit='image', delay=2, disable=not progress)
        for row, found in enumerate(bar):
            if isinstance(found, str):
                bad.append(BadImage(str(table.files[row]), found))
                continue
            sizes[row], mark = found
            digests[row] = np.frombuffer(mark.digest, np.uint8)
            grids[row], spreads[row] = mark.grid, mark.spread
    return Scan(tuple(bad), sizes, digests, grids, spreads)


def _see(path: Path) -> tuple[tuple[int, int], Fingerprint] | str:
    """Size and fingerprint of an image, or why it cannot be read."""
    try:
        image = load_rgb(path)
    except DataError as error:
        return str(error)
    return image.size, fingerprint(np.asarray(image))
