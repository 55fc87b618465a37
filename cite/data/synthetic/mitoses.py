"""Mitotic figures: chromosomes without a nuclear membrane, in a cell whose cytoplasm is cleared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cite.data.synthetic.noise import Field
from cite.data.synthetic.stamps import Ellipses, ellipses, join, pixel

_CLEARED = 1.0  # radius of the cleared cell, in nuclear lengths


@dataclass(frozen=True)
class Mitoses:
    """Chromosomes, and the cleared cells that hold them."""

    chromosomes: Ellipses
    cells: Ellipses


def divide(
    rng: np.random.Generator, nuclei: Ellipses, count: int, length: float, viable: Field
) -> tuple[Ellipses, Mitoses]:
    """Turn up to `count` nuclei into mitotic figures, where `viable` is not 0.

    Returns the nuclei that are left, those in the way of a figure having gone, and the figures.
    `length` is that of the tumour's nuclei, in pixels.
    """
    size = viable.shape[0]
    column, row = pixel(nuclei, size)
    border = min(length, size / 8)
    inside = (np.minimum(nuclei.x, nuclei.y) > border) & (
        np.maximum(nuclei.x, nuclei.y) < size - border
    )
    sites = rng.permutation(np.flatnonzero(inside & (viable[row, column] > 0.9)))
    radius = _CLEARED * length
    chosen: list[int] = []
    for site in sites:
        if len(chosen) == count:
            break
        if all(np.hypot(*_between(nuclei, site, other)) > 1.6 * radius for other in chosen):
            chosen.append(int(site))
    kept = np.ones(len(nuclei), bool)
    for site in chosen:
        kept &= np.hypot(*_between(nuclei, site, slice(None))) > radius
    at = nuclei[np.array(chosen, np.int64)]
    figures = [_figure(rng, float(x), float(y), length) for x, y in zip(at.x, at.y, strict=True)]
    cells = ellipses(at.x, at.y, 0.95 * radius, 0.8 * radius, rng.uniform(0, np.pi, len(at)), 1.0)
    return nuclei[kept], Mitoses(join(figures), cells)


def _between(nuclei: Ellipses, site: int, others: int | slice) -> tuple[Field, Field]:
    return nuclei.x[others] - nuclei.x[site], nuclei.y[others] - nuclei.y[site]


def _figure(rng: np.random.Generator, x: float, y: float, length: float) -> Ellipses:
    """A metaphase plate, an anaphase or a prometaphase clump."""
    kind, turn, unit = rng.random(), rng.uniform(0, np.pi), max(length, 12.5) / 13
    if kind < 0.5:
        u, v = _bar(rng, 6.8 * unit, 1.6 * unit)
    elif kind < 0.7:
        apart = rng.uniform(3.6, 5.2) * unit
        first, second = _bar(rng, 5.4 * unit, 1.1 * unit), _bar(rng, 5.4 * unit, 1.1 * unit)
        u = np.concatenate([first[0], second[0]])
        v = np.concatenate([first[1] - apart, second[1] + apart])
    else:
        # a ragged ring, seen from its pole
        around = np.linspace(0, 2 * np.pi, 15) + rng.normal(0, 0.2, 15)
        reach = rng.uniform(2.2, 4.8, 15) * unit
        u, v = reach * np.cos(around), reach * np.sin(around)
    count = len(u)
    cos, sin = np.cos(turn), np.sin(turn)
    long = rng.uniform(1.3, 2.3, count) * unit
    return ellipses(
        x + cos * u - sin * v,
        y + sin * u + cos * v,
        long,
        long * rng.uniform(0.6, 0.95, count),
        rng.uniform(0, np.pi, count),
        rng.uniform(0.8, 1.1, count),
    )


def _bar(
    rng: np.random.Generator, half: float, thickness: float
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Lumps along a bar, with arms that stick out."""
    along = np.linspace(-half, half, 16)
    return along + rng.normal(0, 0.4, 16), rng.normal(0, 0.65 * thickness, 16)
