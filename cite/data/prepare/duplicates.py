"""The same picture twice: found whichever way it was turned or mirrored, and saved anew.

Equal digests are the same pixels. A picture that was compressed once more has others, so grids of area
means are compared as well. Measured on H&E lung patches of 224 pixels, turning and saving as JPEG moves
the grid by 0.3 to 1.6 grey levels (root mean square, quality 95 to 50), and by up to 2 at 64 pixels and
quality 80; different patches lie 7 or more apart. A picture turned by other angles than 90 degrees, or
cut elsewhere, is another picture here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cite.data.prepare.fingerprint import GRID, symmetries
from cite.data.prepare.scan import Scan

BLANK = 5.0
"""Spread below which a tile is blank: glass, fat, or a single colour; many of them look alike."""

NEAR = 3.0
"""Distance of two grids, in grey levels, up to which they are of one picture ..."""

FLATNESS = 0.15
"""... and as a share of the grid's own deviation: coarse means say little of even tissue."""

_ROUNDING = 1e-6


def blank_rows(scan: Scan) -> NDArray[np.int64]:
    """Rows of blank tiles, which are no duplicates of each other whatever they look like."""
    return np.flatnonzero((scan.sizes[:, 0] > 0) & (scan.spreads < BLANK))


def duplicate_groups(scan: Scan, progress: bool = False) -> list[tuple[int, ...]]:
    """Rows that show the same picture, blank tiles aside: groups of two or more, in order."""
    rows = np.flatnonzero((scan.sizes[:, 0] > 0) & (scan.spreads >= BLANK))
    parent = np.arange(len(scan.spreads))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = int(parent[row])
        return row

    def join(one: int, two: int) -> None:
        one, two = sorted((root(one), root(two)))
        parent[two] = one

    first: dict[bytes, int] = {}
    for row in rows.tolist():
        join(first.setdefault(scan.digests[row].tobytes(), row), row)
    unique = np.array([row for row in first.values()], dtype=np.int64)
    for one, two in _near_pairs(scan.grids[unique], progress):
        join(int(unique[one]), int(unique[two]))
    groups: dict[int, list[int]] = {}
    for row in rows.tolist():
        groups.setdefault(root(row), []).append(row)
    return [tuple(group) for _, group in sorted(groups.items()) if len(group) > 1]


def _near_pairs(
    grids: NDArray[np.uint8], progress: bool = False, chunk: int = 2048
) -> Iterator[tuple[int, int]]:
    """Pairs of grids that are near in one of the eight symmetries."""
    from scipy.spatial import cKDTree
    from tqdm import tqdm

    if len(grids) < 2:
        return
    # What symmetries leave alone, scaled so that two grids are never nearer than these are: few
    # numbers find candidates, more of them thin these out, and the grids themselves decide.
    parts = [grids[start : start + chunk] for start in range(0, len(grids), chunk)]
    coarse = np.concatenate([_invariants(part, 4) for part in parts])
    fine = np.concatenate([_invariants(part, 8) for part in parts])
    limit = np.concatenate([_limits(part) for part in parts])
    tree = cKDTree(coarse)
    starts = range(0, len(grids), chunk)
    for start in tqdm(starts, 'comparing', unit='chunk', delay=2, disable=not progress):
        rows = np.arange(start, min(start + chunk, len(grids)))
        near = tree.query_ball_point(coarse[rows], limit[rows] + _ROUNDING, workers=-1)
        one = np.repeat(rows, [len(found) for found in near])
        two = np.concatenate([np.asarray(found, dtype=np.int64) for found in near])
        one, two = one[one < two], two[one < two]
        distance = np.sqrt(np.square(fine[one] - fine[two]).sum(axis=1))
        close = distance <= np.minimum(limit[one], limit[two]) + _ROUNDING
        for i, j in zip(one[close].tolist(), two[close].tolist(), strict=True):
            if _distance(grids[i], grids[j]) <= min(limit[i], limit[j]):
                yield i, j


def _limits(grids: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Distance up to which another grid is of the same picture as each of these."""
    deviation = grids.reshape(len(grids), -1, 3).std(axis=1).mean(axis=1)
    return np.minimum(NEAR, FLATNESS * deviation)


def _invariants(grids: NDArray[np.uint8], size: int) -> NDArray[np.float64]:
    """Means over the cells that symmetries exchange, of each grid reduced to size × size."""
    number = np.arange(size * size).reshape(size, size)
    orbit = np.min(list(symmetries(number)), axis=0)
    orbit = orbit.repeat(GRID // size, axis=0).repeat(GRID // size, axis=1).ravel()
    member = orbit == np.unique(orbit)[:, None]  # orbits × cells
    # the mean of an orbit, times the root of its share of the cells and channels
    weights = member / np.sqrt(member.sum(axis=1, keepdims=True) * GRID * GRID * 3)
    found: NDArray[np.float64] = weights @ grids.reshape(len(grids), -1, 3).astype(np.float64)
    return found.reshape(len(grids), -1)


def _distance(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> float:
    """Root mean square over cells and channels, in the best of the eight symmetries."""
    fixed = one.astype(np.float32)
    return min(
        float(np.sqrt(np.mean((fixed - turned) ** 2)))
        for turned in symmetries(two.astype(np.float32))
    )
