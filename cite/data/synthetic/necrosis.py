"""Necrosis: eosinophilic granular debris with ghosts of cells and the dust of their nuclei."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from cite.data.synthetic.noise import Field, smooth_noise, smoothstep
from cite.data.synthetic.stamps import Ellipses, ellipses, join, outside
from cite.data.synthetic.tumour import Tumour


@dataclass(frozen=True)
class Necrosis:
    """`depth` in pixels inside the dead area; `dust` in it and in lumina near by."""

    depth: Field
    dust: Ellipses


def necrose(rng: np.random.Generator, tumour: Tumour, share: float, tissue: Field) -> Necrosis:
    """Let `share` of the tumour's area die, in few large areas with a ragged border."""
    size = tissue.shape[0]
    relief = smooth_noise(rng, size, max(85, size / 9)) + 0.28 * smooth_noise(rng, size, 22)
    relief += np.float32(0.07) * smooth_noise(rng, size, 5)
    # the middle of a tumour, far from its vessels, dies first
    relief += np.float32(0.012) * np.clip(tumour.region, -40, 60)
    within = ((tumour.region > 0) & (tissue > 0.5))[::2, ::2]
    if not within.any():
        return Necrosis(np.full_like(relief, -30), ellipses([], [], [], [], [], []))
    shore = np.float32(np.quantile(relief[::2, ::2][within], 1 - share))
    depth = np.minimum((relief - shore) * np.float32(35), tumour.region + 3)
    return Necrosis(depth, join([_dust(rng, size, depth), _lumen_dust(rng, size, tumour.lumen)]))


def _dust(rng: np.random.Generator, size: int, depth: Field) -> Ellipses:
    """Fragments of nuclei, many and in swarms, and some shrunken dark whole ones."""
    swarms = max(1, size * size // 900)
    centre = rng.uniform(0, size, (2, swarms))
    owner = np.repeat(np.arange(swarms), rng.poisson(7, swarms))
    x, y = centre[:, owner] + rng.normal(0, 8, (2, len(owner)))
    radius = np.where(
        rng.random(len(owner)) < 0.1,
        rng.uniform(2.2, 3.2, len(owner)),
        rng.gamma(4, 0.22, len(owner)).clip(0.45, 1.9),
    )
    found = ellipses(
        x, y, radius, radius * rng.uniform(0.6, 1, len(owner)), 0.0,
        rng.uniform(0.6, 1.3, len(owner)),
    )  # fmt: skip
    return found[~outside(found, depth, 1.0)]


def _lumen_dust(rng: np.random.Generator, size: int, lumen: Field) -> Ellipses:
    """The same in lumina: 'dirty' necrosis."""
    count = rng.poisson(size * size / 110)
    x, y = rng.uniform(0, size, (2, count))
    radius = rng.gamma(4, 0.25, count).clip(0.45, 2.2)
    found = ellipses(x, y, radius, radius * 0.8, 0.0, rng.uniform(0.6, 1.2, count))
    return found[~outside(found, lumen, 2.0)]


def lay_necrosis(
    rng: np.random.Generator,
    haematoxylin: Field,
    eosin: Field,
    tumour: Tumour,
    necrosis: Necrosis,
    ghosts: Field,
    grain: Field,
    mottle: Field,
) -> Field:
    """Cover, in place, what has died; returns the share of each pixel that is dead.

    `ghosts` is the drawing of the nuclei that were there.
    """
    granules = 3.2 * ndimage.gaussian_filter(rng.standard_normal(grain.shape, np.float32), 1.0)
    dead = smoothstep(necrosis.depth + grain, -2.0, 2.0)
    walls = np.exp(-0.5 * (tumour.depth / 2.0) ** 2)
    debris = 0.62 + 0.12 * granules + 0.08 * grain + 0.16 * mottle
    debris = debris + 0.12 * walls
    cracks = smoothstep(mottle - 0.35 * grain, 1.3, 2.3) + 0.45 * (tumour.lumen > 1)
    debris = debris * (1 - 0.6 * np.minimum(cracks, 1)) * (1 - 0.25 * np.minimum(ghosts, 1))
    eosin += dead * (np.maximum(debris, 0.1) - eosin)
    haze = 0.07 + 0.02 * mottle + 0.13 * np.minimum(ghosts, 1)
    haematoxylin += dead * (haze - haematoxylin)
    # debris in the lumina of what is left
    filled = (
        smoothstep(tumour.lumen, 0, 3) * smoothstep(mottle + 0.5 * grain, -1.2, 0.4) * (1 - dead)
    )
    eosin += filled * (0.5 + 0.12 * grain - eosin)
    return dead
