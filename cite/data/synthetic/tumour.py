"""The tumour's architecture: glands where it still forms them, else sheets or single cells."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cite.data.synthetic import nuclei
from cite.data.synthetic.attributes import Attributes
from cite.data.synthetic.glands import OUTSIDE, Gland, place_glands
from cite.data.synthetic.noise import Field, smooth_noise
from cite.data.synthetic.stamps import Ellipses, ellipses, join, outside, pixel


@dataclass(frozen=True)
class Tumour:
    """Depth fields (pixels inside the tumour, epithelium, a lumen) and the tumour's cells."""

    region: Field
    depth: Field
    lumen: Field
    nuclei: Ellipses
    bodies: Ellipses  # cytoplasm of cells outside epithelium
    vacuoles: Ellipses  # mucin in those cells


def grow(
    rng: np.random.Generator, patch: Attributes, size: int, tissue: Field | None = None
) -> Tumour:
    """Lay out the tumour of one patch of `size` pixels; `tissue` is 0 on bare glass."""
    relief = smooth_noise(rng, size, max(130, size / 8)) + 0.3 * smooth_noise(rng, size, 40)
    sample = relief[::4, ::4]
    if tissue is not None:
        sample = sample[tissue[::4, ::4] > 0.5]
        relief -= 4 * (1 - tissue)
    shore = np.float32(np.quantile(sample, 1 - patch.tumour_share))
    region = (relief - shore) * np.float32(80)
    depth = np.full((size, size), OUTSIDE, np.float32)
    lumen = depth.copy()
    built = place_glands(rng, patch, region)
    for gland in built:
        gland.outer.depth_into(depth, 20)
        for hole in gland.lumina:
            hole.depth_into(lumen, 8)
    loose = 1 - patch.gland_share
    if patch.solid and loose > 0.1:
        _add_sheets(rng, region, loose, depth)
    within = _epithelial_nuclei(rng, patch, built, depth, lumen)
    if patch.solid or loose <= 0.1:
        return Tumour(region, depth, lumen, within, within[:0], within[:0])
    single = _single_nuclei(rng, patch, loose, size)
    column, row = pixel(single, size)
    single = nuclei.thin(single[(region[row, column] > 0) & (depth[row, column] < -5)], 1.0)
    single, bodies, vacuoles = _single_cells(rng, patch, single)
    return Tumour(region, depth, lumen, join([within, single]), bodies, vacuoles)


def _add_sheets(rng: np.random.Generator, region: Field, loose: float, depth: Field) -> None:
    """Fill the region with nests that narrow septa divide; `loose` is the share without glands."""
    size = region.shape[0]
    septa = np.abs(smooth_noise(rng, size, 75)) * 45 - np.float32(rng.uniform(2, 6))
    share = smooth_noise(rng, size, 90) * 60 + np.float32(240 * (loose - 0.5))
    np.maximum(depth, np.minimum(np.minimum(region, septa), share), out=depth)


def _epithelial_nuclei(
    rng: np.random.Generator, patch: Attributes, glands: list[Gland], depth: Field, lumen: Field
) -> Ellipses:
    """Rows along the walls of glands, and a filling where polarity is lost."""
    size = depth.shape[0]
    rows = [nuclei.lining(rng, patch, gland.outer, 1) for gland in glands]
    cribriform = [gland for gland in glands if len(gland.lumina) > 1]
    rows += [nuclei.lining(rng, patch, hole, -1) for gland in cribriform for hole in gland.lumina]
    # a wall that keeps its polarity has its one row and nothing above
    filling = nuclei.filling(rng, patch, size)
    reserve = 3.2 * patch.nuclear_length * max(patch.polarity - 0.35, 0)
    found = join([*rows, filling[~outside(filling, depth, reserve)]])
    column, row = pixel(found, size)
    # not in another gland's lumen, not beyond the wall
    fits = (depth[row, column] > found.short) & (lumen[row, column] < -0.8 * found.short)
    return nuclei.thin(found[fits], 0.8)


def _single_nuclei(
    rng: np.random.Generator, patch: Attributes, loose: float, size: int
) -> Ellipses:
    """Nuclei of discohesive cells, alone and in short files, all over the patch."""
    heads = int(size * size / 950 * loose)
    start = rng.uniform(0, size, (2, heads))
    length = rng.integers(1, 5, heads)
    heading = rng.uniform(0, np.pi, heads)
    owner = np.repeat(np.arange(heads), length)
    count = len(owner)
    place = np.arange(count) - np.repeat(np.cumsum(length) - length, length)
    path = place * patch.nuclear_length * 1.15
    x = start[0, owner] + path * np.cos(heading[owner]) + rng.normal(0, 2, count)
    y = start[1, owner] + path * np.sin(heading[owner]) + rng.normal(0, 2, count)
    turn = rng.uniform(0, np.pi, count)
    long, short = nuclei.sizes(rng, patch, count)
    return ellipses(x, y, long, short, turn, nuclei.densities(rng, patch, count))


def _single_cells(
    rng: np.random.Generator, patch: Attributes, single: Ellipses
) -> tuple[Ellipses, Ellipses, Ellipses]:
    """Nuclei, bodies and vacuoles of single cells, part of which are of signet ring type."""
    count = len(single)
    x, y, long, short = single.x, single.y, single.long, single.short
    width = long * rng.uniform(1.3, 1.7, count)
    bodies = ellipses(x, y, width, width * 0.85, single.angle, 0.9)
    signet = rng.random(count) < patch.signet
    away = rng.uniform(0, 2 * np.pi, count)
    radius = long * 1.35
    shift = radius * 1.05
    mucin = ellipses(
        x - np.cos(away) * shift, y - np.sin(away) * shift, radius, radius * 0.92, away, 1.0
    )
    # the vacuole pushes the nucleus to the cell's border and flattens it
    pushed = ellipses(x, y, long * 1.1, short * 0.55, away + np.pi / 2, single.density)
    return join([single[~signet], pushed[signet]]), bodies, mucin[signet]
