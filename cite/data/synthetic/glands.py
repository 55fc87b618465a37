"""Glands: wavy rings of epithelium round a lumen, placed until the tumour's region is full."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import hypot

import numpy as np
import numpy.typing as npt

from cite.data.synthetic.attributes import Attributes
from cite.data.synthetic.noise import Field
from cite.data.synthetic.terms import CRIBRIFORM

ANGLES = 96
TURN = np.arange(ANGLES, dtype=np.float32) * np.float32(2 * np.pi / ANGLES)
OUTSIDE = np.float32(-30)  # the depth far from everything
_REACH = 150  # the largest gland and its surroundings


@cache
def _polar() -> tuple[npt.NDArray[np.int64], Field, Field]:
    """Direction (whole step and rest) and distance of each pixel from the middle of a window.

    An arc tangent for each pixel of each gland would take most of the time of drawing.
    """
    axis = np.arange(-_REACH, _REACH + 1, dtype=np.float32)
    turn = np.arctan2(axis[:, None], axis[None, :]) * np.float32(ANGLES / (2 * np.pi))
    whole = np.floor(turn)
    distance = np.sqrt(axis[:, None] ** 2 + axis[None, :] ** 2)
    return whole.astype(np.int64) % ANGLES, turn - whole, distance


@dataclass(frozen=True)
class Outline:
    """A closed curve round (x, y), star-shaped: a radius for each of `ANGLES` directions."""

    x: int
    y: int
    radii: Field

    def depth_into(self, field: Field, beyond: float) -> None:
        """Raise `field` to the depth inside the curve (pixels, negative outside), if less.

        Up to `beyond` pixels off the curve.
        """
        reach = min(int(self.radii.max() + beyond), _REACH)
        size = field.shape[0]
        left, right = (min(max(self.x + s * reach, 0), size) for s in (-1, 1))
        top, bottom = (min(max(self.y + s * reach, 0), size) for s in (-1, 1))
        if left >= right or top >= bottom:
            return
        rows = slice(top - self.y + _REACH, bottom - self.y + _REACH)
        columns = slice(left - self.x + _REACH, right - self.x + _REACH)
        step, part, distance = (table[rows, columns] for table in _polar())
        change = np.roll(self.radii, -1) - self.radii
        window = field[top:bottom, left:right]
        np.maximum(window, self.radii[step] + change[step] * part - distance, out=window)


@dataclass(frozen=True)
class Gland:
    """The outer curve (basement membrane) and the lumina within."""

    outer: Outline
    lumina: tuple[Outline, ...]


def outline(
    rng: np.random.Generator, x: float, y: float, radius: float, irregularity: float
) -> Outline:
    """A curve of about `radius`: an ellipse with lobes."""
    lobes = np.arange(2, 8)
    size = rng.normal(0, 1, len(lobes)) * irregularity * np.array([1.3, 0.8, 0.6, 0.4, 0.3, 0.2])
    phase = rng.uniform(0, 2 * np.pi, len(lobes))
    waves = size[:, None] * np.cos(lobes[:, None] * TURN + phase[:, None])
    return Outline(
        round(x), round(y), (radius * np.clip(1 + waves.sum(0), 0.5, 1.7)).astype(np.float32)
    )


def place_glands(rng: np.random.Generator, patch: Attributes, region: Field) -> list[Gland]:
    """Throw glands into the tumour's region (a depth field), more throws than find room.

    Glands keep apart by `crowding` times the sum of their radii, so that below 1 they fuse.
    """
    size = region.shape[0]
    limit = max(60, round(240 * size * size / 9e4))
    glands: list[Gland] = []
    room = _Room(patch.crowding, 2 * 1.7 * patch.gland_radius)
    margin = min(0.08 * size, 24)
    throws = rng.uniform(-margin, size + margin, (limit, 2))
    throws[0] = _middle(region)  # however little tumour there is, it shows a gland
    scatter = rng.normal(0, 0.06 + 0.4 * patch.irregularity, limit)
    # later throws are smaller and find the gaps
    radii = patch.gland_radius * np.clip(np.linspace(1.15, 0.7, limit) + scatter, 0.5, 1.7)
    fates = rng.random(limit)
    column, row = np.clip(throws.T, 0, size - 1).astype(int)
    inside = region[row, column] > 0
    for (x, y), radius, fate in zip(throws[inside], radii[inside], fates[inside], strict=True):
        if not room.take(x, y, radius):
            continue
        if fate < patch.gland_share:
            # turns, not chance: the first gland of a cribriform tumour always is one
            turn = len(glands) * patch.cribriform
            fused = patch.cribriform > CRIBRIFORM and turn % 1 < patch.cribriform
            glands.append(_gland(rng, patch, x, y, radius, fused))
    return glands


class _Room:
    """Circles that keep apart; a grid of cells spares comparing each with all."""

    def __init__(self, crowding: float, cell: float) -> None:
        self._crowding, self._cell = crowding, cell
        self._placed: dict[tuple[int, int], list[tuple[float, float, float]]] = {}

    def take(self, x: float, y: float, radius: float) -> bool:
        """Place a circle unless it is too near to one before it."""
        column, row = int(x // self._cell), int(y // self._cell)
        for i in (column - 1, column, column + 1):
            for j in (row - 1, row, row + 1):
                for a, b, c in self._placed.get((i, j), ()):
                    if hypot(x - a, y - b) < self._crowding * (radius + c):
                        return False
        self._placed.setdefault((column, row), []).append((x, y, radius))
        return True


def _middle(region: Field) -> tuple[int, int]:
    """Column and row of the region's deepest point, away from the patch's border."""
    size = region.shape[0]
    border = min(30, size // 4)
    row, column = divmod(
        int(region[border : size - border, border : size - border].argmax()), size - 2 * border
    )
    return column + border, row + border


def _gland(
    rng: np.random.Generator, patch: Attributes, x: float, y: float, radius: float, fused: bool
) -> Gland:
    if fused:
        radius *= 1.35
        outer = outline(rng, x, y, radius, patch.irregularity)
        count = int(rng.integers(3, 7))
        turn = rng.uniform(0, 2 * np.pi) + np.arange(count) * 2 * np.pi / count
        away = radius * rng.uniform(0.35, 0.6, count)
        holes = radius * rng.uniform(0.10, 0.2, count)
        lumina = tuple(
            outline(rng, x + a * np.cos(t), y + a * np.sin(t), hole, 0.12)
            for a, t, hole in zip(away, turn, holes, strict=True)
        )
        return Gland(outer, lumina)
    outer = outline(rng, x, y, radius, patch.irregularity)
    inside = outline(rng, x, y, patch.lumen_share, 0.04 + 0.5 * patch.irregularity)
    # the lumen follows the outer curve and adds folds of its own
    return Gland(outer, (Outline(outer.x, outer.y, outer.radii * inside.radii),))
