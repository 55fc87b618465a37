"""Nuclei of the tumour: in rows along walls, filling sheets, each with the atypia of its patch."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from cite.data.synthetic.attributes import Attributes
from cite.data.synthetic.glands import ANGLES, TURN, Outline
from cite.data.synthetic.noise import Field
from cite.data.synthetic.stamps import Ellipses, ellipses


def lining(rng: np.random.Generator, patch: Attributes, curve: Outline, inward: int) -> Ellipses:
    """A row of nuclei along a curve: basal on the outer one (inward = 1), round a lumen (-1).

    With falling polarity they leave the row, pile up and turn.
    """
    long, short = _axes(patch)
    x, y = curve.radii * np.cos(TURN), curve.radii * np.sin(TURN)
    steps = np.hypot(np.roll(x, -1) - x, np.roll(y, -1) - y)
    length = np.concatenate([[0], np.cumsum(steps)])
    disorder = 1 - patch.polarity
    rows = 1 + (rng.random() < 1.2 * disorder) + (rng.random() < 0.4 * disorder)
    parts_at, depths = [], []
    for row in range(rows):
        count = int(length[-1] / (short * 2 * rng.uniform(0.92, 1.12)))
        spread = rng.normal(0, 0.12 + 0.3 * disorder, count)
        parts_at.append((np.arange(count) + rng.random() + spread) / max(count, 1) % 1 * length[-1])
        depths.append(1.5 + long + row * long * 1.1 + rng.normal(0, 1.0 + 4 * disorder, count))
    at, depth = np.concatenate(parts_at), np.concatenate(depths)
    turn = np.interp(at, length, np.arange(ANGLES + 1) * (2 * np.pi / ANGLES))
    ring = np.append(curve.radii, curve.radii[0])
    radius = np.interp(turn, np.append(TURN, 2 * np.pi), ring)
    slope = (np.roll(curve.radii, -1) - np.roll(curve.radii, 1)) / (2 * TURN[1])
    lean = np.arctan2(np.interp(turn, TURN, slope), radius)
    normal = turn - lean
    depth = np.maximum(depth, long * 0.7) * inward
    return ellipses(
        curve.x + radius * np.cos(turn) - depth * np.cos(normal),
        curve.y + radius * np.sin(turn) - depth * np.sin(normal),
        *sizes(rng, patch, len(at)),
        normal + rng.normal(0, 0.08 + 0.9 * disorder**1.5, len(at)),
        densities(rng, patch, len(at)),
    )


def sizes(rng: np.random.Generator, patch: Attributes, count: int) -> tuple[Field, Field]:
    """Semi-axes of `count` nuclei: each (count,)."""
    long, short = _axes(patch)
    scale = np.exp(rng.normal(0, patch.pleomorphism, count)).clip(0.55, 2.0)
    shape = np.exp(rng.normal(0, 0.08 + 0.4 * patch.pleomorphism, count))
    return (long * scale * shape).astype(np.float32), (short * scale / shape).astype(np.float32)


def densities(rng: np.random.Generator, patch: Attributes, count: int) -> Field:
    """Haematoxylin of `count` nuclei."""
    scatter = rng.normal(1, 0.08 + 0.35 * patch.pleomorphism, count).clip(0.6, 1.6)
    return (patch.hyperchromasia * scatter).astype(np.float32)


def _axes(patch: Attributes) -> tuple[float, float]:
    """Mean semi-axes; their product, the area, does not depend on the aspect."""
    root = float(np.sqrt(patch.nuclear_aspect / 1.5))
    return patch.nuclear_length / 2 * root, patch.nuclear_length / 2 / 1.5 / root * 1.15


def filling(rng: np.random.Generator, patch: Attributes, size: int) -> Ellipses:
    """Nuclei on a disturbed hexagonal grid, turned any way."""
    step = patch.nuclear_length * rng.uniform(1.0, 1.25)
    columns, rows = np.meshgrid(
        np.arange(-1, size / step + 1), np.arange(-1, size / step / 0.87 + 1)
    )
    x = (columns + 0.5 * (rows % 2)).ravel() * step
    y = rows.ravel() * step * 0.87
    x, y = (v + rng.normal(0, 0.17 * step, len(v)) for v in (x, y))
    count = len(x)
    turn = rng.uniform(0, np.pi, count)
    return ellipses(x, y, *sizes(rng, patch, count), turn, densities(rng, patch, count))


def thin(shapes: Ellipses, apart: float) -> Ellipses:
    """Drop each nucleus that lies too near to one before it; `apart` in sums of short semi-axes."""
    if not len(shapes):
        return shapes
    centres = np.stack([shapes.x, shapes.y], 1)
    pairs = cKDTree(centres).query_pairs(
        float(2 * apart * shapes.short.max()), output_type='ndarray'
    )
    pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
    gap = np.hypot(*(centres[pairs[:, 0]] - centres[pairs[:, 1]]).T)
    close = pairs[gap < apart * (shapes.short[pairs[:, 0]] + shapes.short[pairs[:, 1]])]
    kept = np.ones(len(shapes), bool)
    for first, second in close:
        if kept[first]:
            kept[second] = False
    return shapes[kept]
