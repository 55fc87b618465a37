"""What lies between the glands: wavy collagen, fibroblasts, inflammatory cells, small vessels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from cite.data.synthetic.attributes import Attributes
from cite.data.synthetic.noise import Field, smooth_noise, smoothstep
from cite.data.synthetic.stamps import Ellipses, ellipses

_TILE = 256


@dataclass(frozen=True)
class Stroma:
    """Fields of (size, size): eosin, open clefts (0..1), and the coordinate across the fibres."""

    eosin: Field
    clefts: Field
    across: Field

    def direction(self, x: Field, y: Field) -> Field:
        """Angle of the fibres at points, in radians."""
        size = self.across.shape[0]
        column = np.clip(x, 2, size - 3).astype(int)
        row = np.clip(y, 2, size - 3).astype(int)
        dx = self.across[row, column + 2] - self.across[row, column - 2]
        dy = self.across[row + 2, column] - self.across[row - 2, column]
        return (np.arctan2(dy, dx) + np.pi / 2).astype(np.float32)


def fibre_tile(rng: np.random.Generator) -> Field:
    """A (256, 256) tile that repeats: streaks along the rows, deviation 1."""
    white = rng.standard_normal((_TILE, _TILE), dtype=np.float32)
    streaks = ndimage.gaussian_filter(white, (1.1, 9), mode='wrap')
    return (streaks / streaks.std()).astype(np.float32)


def weave(
    rng: np.random.Generator, patch: Attributes, depth: Field, tile: Field, grain: Field
) -> Stroma:
    """Lay fibres over a patch; they run round what `depth` (the tumour) holds."""
    size = depth.shape[0]
    angle = rng.uniform(0, np.pi)
    x = np.arange(size, dtype=np.float32)[None, :]
    y = np.arange(size, dtype=np.float32)[:, None]
    along = np.float32(np.cos(angle)) * x + np.float32(np.sin(angle)) * y
    across = np.float32(-np.sin(angle)) * x + np.float32(np.cos(angle)) * y
    wave = np.float32(patch.waviness)
    across = across + wave * (smooth_noise(rng, size, 40) + 2.5 * smooth_noise(rng, size, 120))
    across = across + np.float32(0.8) * np.maximum(depth, -20)
    shift = rng.integers(0, _TILE, 4)
    fine = _look_up(tile, across + shift[0], along + shift[1])
    coarse = _look_up(tile, across * 0.36 + shift[2], along * 0.36 + shift[3])
    patchy = smooth_noise(rng, size, 60)
    eosin = np.float32(patch.fibrosis) * (
        1 + 0.22 * fine + 0.14 * coarse + 0.16 * patchy + 0.07 * grain
    )
    gaps = 0.7 * coarse + 0.6 * fine + 0.5 * patchy + 0.2 * grain
    clefts = 0.9 * smoothstep(gaps, 1.7 - 1.4 * patch.oedema, 3.0 - 1.4 * patch.oedema)
    return Stroma(np.maximum(eosin, 0.08), clefts, across)


def _look_up(tile: Field, row: Field, column: Field) -> Field:
    """Nearest sample of a repeating tile; the photograph's blur hides the steps."""
    places = (row.astype(np.int64) & (_TILE - 1)) * _TILE + (column.astype(np.int64) & (_TILE - 1))
    return tile.ravel().take(places)


def fibroblasts(rng: np.random.Generator, size: int, stroma: Stroma) -> Ellipses:
    """Thin nuclei along the fibres."""
    count = rng.poisson(size * size / 850)
    x, y = rng.uniform(-10, size + 10, (2, count)).astype(np.float32)
    angle = stroma.direction(x, y) + rng.normal(0, 0.15, count)
    long = rng.uniform(4.5, 9.5, count)
    return ellipses(x, y, long, rng.uniform(1.3, 2.3, count), angle, rng.uniform(0.6, 1.0, count))


def inflammatory_cells(rng: np.random.Generator, patch: Attributes, depth: Field) -> Ellipses:
    """Lymphocytes: small, round, dark; part of them in clusters, outside what `depth` holds."""
    size = depth.shape[0]
    count = rng.poisson(patch.inflammation * size * size / 1e4)
    x, y = rng.uniform(-10, size + 10, (2, count))
    herds = max(3, round(3 * size * size / 9e4))
    centres = rng.uniform(0, size, (2, 6 * herds))
    column, row = centres.astype(int)
    # clusters that fell on tumour would be lost
    centres = centres[:, np.argsort(depth[row, column] > -3, kind='stable')]
    herd = rng.integers(0, herds, count)
    near = rng.random(count) < 0.5
    x = np.where(near, centres[0, herd] + rng.normal(0, 28, count), x)
    y = np.where(near, centres[1, herd] + rng.normal(0, 28, count), y)
    radius = rng.uniform(3.2, 4.2, count)
    turn = rng.uniform(0, np.pi, count)
    return ellipses(
        x, y, radius, radius * rng.uniform(0.85, 1, count), turn, rng.uniform(1.0, 1.4, count)
    )


def vessels(
    rng: np.random.Generator, size: int, stroma: Stroma
) -> tuple[Ellipses, Ellipses, Ellipses]:
    """Capillaries: their lumina, endothelial nuclei on the rim, and red cells within."""
    count = rng.poisson(2.2 * size * size / 9e4)
    x, y = rng.uniform(0, size, (2, count)).astype(np.float32)
    angle = stroma.direction(x, y)
    long, short = rng.uniform(7, 19, count), rng.uniform(4.5, 8, count)
    lumina = ellipses(x, y, long, short, angle, 1.0)
    owner = np.repeat(np.arange(count), 5)
    turn = rng.uniform(0, 2 * np.pi, len(owner))
    rim = _on_ellipse(lumina[owner], turn, 1.1)
    slope = np.arctan2(short[owner] * np.cos(turn), -long[owner] * np.sin(turn)) + angle[owner]
    nuclei = ellipses(*rim, 5.0, 1.7, slope, 0.9)
    owner = np.repeat(np.arange(count), 7)
    cells = _on_ellipse(
        lumina[owner], rng.uniform(0, 2 * np.pi, len(owner)), rng.uniform(0, 0.75, len(owner))
    )
    return lumina, nuclei, ellipses(*cells, 3.4, 3.0, 0.0, 0.75)


def _on_ellipse(
    shapes: Ellipses, turn: npt.NDArray[Any], share: npt.NDArray[Any] | float
) -> tuple[Field, Field]:
    """Points at a share of the radius in the ellipse's own directions `turn`."""
    u = shapes.long * np.cos(turn) * share
    v = shapes.short * np.sin(turn) * share
    cos, sin = np.cos(shapes.angle), np.sin(shapes.angle)
    return shapes.x + cos * u - sin * v, shapes.y + sin * u + cos * v
