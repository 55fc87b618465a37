"""Cells and nuclei: hundreds of soft ellipses, each with its own outline and chromatin."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from cite.data.synthetic.noise import Field, crops

_BATCH = 48  # stamps at once; more would leave the processor's cache
_HALF_SIDES = (7, 9, 11, 14, 20, 30)  # the windows that stamps are drawn in
MARGIN = 2 * (_HALF_SIDES[-1] + 1)  # a canvas goes on beyond the patch, so no stamp needs clipping


@dataclass(frozen=True)
class Ellipses:
    """n ellipses; every field has shape (n,). Lengths in pixels, angles in radians."""

    x: Field
    y: Field
    long: Field
    short: Field
    angle: Field
    density: Field

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, which: slice | npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Ellipses:
        return Ellipses(*(getattr(self, field.name)[which] for field in fields(self)))


def ellipses(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    long: npt.ArrayLike,
    short: npt.ArrayLike,
    angle: npt.ArrayLike,
    density: npt.ArrayLike,
) -> Ellipses:
    """Build `Ellipses`, broadcasting scalars."""
    columns = np.broadcast_arrays(x, y, long, short, angle, density)
    return Ellipses(*(np.asarray(column, dtype=np.float32).ravel() for column in columns))


def join(parts: list[Ellipses]) -> Ellipses:
    """One after another, the order kept."""
    if not parts:
        return ellipses([], [], [], [], [], [])
    return Ellipses(
        *(
            np.concatenate([getattr(part, field.name) for part in parts])
            for field in fields(Ellipses)
        )
    )


@dataclass(frozen=True)
class Texture:
    """How the inside of a stamp looks."""

    lumpiness: float = 0.0  # of the outline, relative to the radius
    vesicular: float = 0.0  # 1: pale centre and dark rim; 0: evenly filled
    chromatin: float = 0.0  # contrast of clumps
    nucleoli: float = 0.0  # density of one nucleolus


def blank(size: int) -> Field:
    """An empty canvas for a patch of `size` pixels."""
    return np.zeros((size + 2 * MARGIN, size + 2 * MARGIN), np.float32)


def inner(canvas: Field) -> Field:
    """The part of a canvas that the patch shows."""
    return canvas[MARGIN:-MARGIN, MARGIN:-MARGIN]


def stamp(
    canvas: Field, shapes: Ellipses, texture: Texture, grain: Field, rng: np.random.Generator
) -> None:
    """Add ellipses to a canvas. `grain` is a noise field from which chromatin is cut."""
    size = canvas.shape[0] - 2 * MARGIN
    reach = np.maximum(shapes.long, shapes.short) * (1 + 2 * texture.lumpiness) + 1.0
    reach = np.minimum(reach, _HALF_SIDES[-1])  # the rare giant loses its rim
    seen = (
        (shapes.x > -reach)
        & (shapes.x < size + reach)
        & (shapes.y > -reach)
        & (shapes.y < size + reach)
    )
    shapes, reach = shapes[seen], reach[seen]
    least = 0
    for half in _HALF_SIDES:
        chosen = (reach > least) & (reach <= half)
        least = half
        group = shapes[chosen]
        for start in range(0, len(group), _BATCH):
            batch = group[start : start + _BATCH]
            _stamp_batch(canvas, batch, half, texture, grain, rng)


def _stamp_batch(
    canvas: Field,
    shapes: Ellipses,
    half: int,
    texture: Texture,
    grain: Field,
    rng: np.random.Generator,
) -> None:
    """Draw the ellipses that fit into windows of 2 x half + 1 pixels."""
    side = 2 * half + 1
    column, row = np.floor(shapes.x).astype(int), np.floor(shapes.y).astype(int)
    axis = np.arange(-half, half + 1, dtype=np.float32)
    x = axis[None, None, :] - (shapes.x - column)[:, None, None]
    y = axis[None, :, None] - (shapes.y - row)[:, None, None]
    cos, sin = np.cos(shapes.angle)[:, None, None], np.sin(shapes.angle)[:, None, None]
    long, short = shapes.long[:, None, None], shapes.short[:, None, None]
    u, v = (cos * x + sin * y) / long, (cos * y - sin * x) / short
    uu, vv = u * u, v * v
    radius = np.sqrt(uu + vv)
    if texture.lumpiness:
        # second and third harmonics of the direction: beans, tears, blunt triangles
        bend = rng.uniform(-1, 1, (3, len(shapes), 1, 1)).astype(np.float32) * texture.lumpiness
        third = bend[1] * u * (uu - 3 * vv) + bend[2] * v * (3 * uu - vv)
        radius = radius + (2 * bend[0] * u * v + 0.6 * third / (radius + 0.01)) / (radius + 0.01)
    edge = np.clip((1 - radius) * (short / 1.3) + 0.5, 0, 1)
    fill = 1 - np.float32(texture.vesicular) * np.clip(1.1 - radius * radius, 0, 1)
    if texture.chromatin:
        fill = fill + np.float32(texture.chromatin) * crops(rng, grain, len(shapes), side)
    if texture.nucleoli:
        place = rng.uniform(-0.35, 0.35, (2, len(shapes), 1, 1)).astype(np.float32)
        squared = ((u - place[0]) * long) ** 2 + ((v - place[1]) * short) ** 2
        fill = fill + np.float32(texture.nucleoli) * np.exp(-squared / 2.6)
    drawn = edge * np.maximum(fill, 0.12) * shapes.density[:, None, None]
    for i in range(len(shapes)):
        top, left = row[i] + MARGIN - half, column[i] + MARGIN - half
        canvas[top : top + side, left : left + side] += drawn[i]


def pixel(shapes: Ellipses, size: int) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Column and row of the centres, the patch's border standing for what lies beyond."""
    return tuple(np.clip(v, 0, size - 1).astype(np.int64) for v in (shapes.x, shapes.y))  # type: ignore[return-value]


def outside(shapes: Ellipses, depth: Field, margin: float) -> npt.NDArray[np.bool_]:
    """Which centres lie less than `margin` pixels deep in the tumour."""
    column, row = pixel(shapes, depth.shape[0])
    return depth[row, column] < margin
