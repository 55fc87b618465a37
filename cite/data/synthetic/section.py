"""Draw a section from its attributes: tumour, stroma round it, cells in both, stain, photograph."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from cite.data.synthetic import stroma
from cite.data.synthetic.artefacts import spoil
from cite.data.synthetic.attributes import Attributes
from cite.data.synthetic.epithelium import atypical, lay_epithelium
from cite.data.synthetic.mitoses import divide
from cite.data.synthetic.necrosis import lay_necrosis, necrose
from cite.data.synthetic.noise import Field, smooth_noise
from cite.data.synthetic.stain import Stain, develop
from cite.data.synthetic.stamps import Ellipses, Texture, blank, inner, join, outside, stamp
from cite.data.synthetic.tumour import grow

_PLAIN = Texture(lumpiness=0.12)
_QUIET = Texture(lumpiness=0.08, vesicular=0.15, chromatin=0.18)
_GHOSTS = Texture(lumpiness=0.15, vesicular=0.85)


def draw_section(
    rng: np.random.Generator,
    shown: Attributes,
    stain: Stain,
    fibres: Field,
    size: int,
    tissue: Field | None = None,
) -> npt.NDArray[np.uint8]:
    """Draw what `shown` says: (size, size, 3) RGB.

    `fibres` is the slide's `stroma.fibre_tile`; `tissue`, (size, size), is 0 on bare glass.
    """
    tumour = grow(rng, shown, size, tissue)
    everywhere = np.ones((size, size), np.float32) if tissue is None else tissue
    grain, mottle = smooth_noise(rng, size, 2.6), smooth_noise(rng, size, 14)
    ground = stroma.weave(rng, shown, tumour.depth, fibres, grain)
    vessels = stroma.vessels(rng, size, ground)
    lumina, endothelium, red_cells = (part[outside(part, tumour.depth, -3)] for part in vessels)

    def paint(shapes: Ellipses, texture: Texture) -> Field:
        canvas = blank(size)
        stamp(canvas, shapes, texture, grain, rng)
        return inner(canvas)

    hollow = np.maximum(ground.clefts, np.minimum(paint(lumina, _PLAIN), 1))
    eosin = ground.eosin * (1 - hollow)
    haematoxylin = 0.05 + 0.04 * eosin
    eosin += np.minimum(paint(red_cells, _PLAIN), 1)
    bodies = np.minimum(paint(tumour.bodies, _PLAIN), 1)
    lay_epithelium(haematoxylin, eosin, tumour, bodies, (grain, mottle), shown.secretion)
    mucin = np.minimum(paint(tumour.vacuoles, _PLAIN), 1)
    haematoxylin += mucin * (0.10 - haematoxylin)
    eosin *= 1 - 0.75 * mucin

    malignant = tumour.nuclei
    others = join(
        [stroma.fibroblasts(rng, size, ground), stroma.inflammatory_cells(rng, shown, tumour.depth)]
    )
    others = join([others[outside(others, tumour.depth, -3)], endothelium])
    viable = everywhere
    dust = malignant[:0]
    if shown.necrosis:
        necrosis = necrose(rng, tumour, shown.necrosis, everywhere)
        alive = outside(malignant, necrosis.depth, -1)
        ghosts = paint(malignant[~alive], _GHOSTS)
        dead = lay_necrosis(rng, haematoxylin, eosin, tumour, necrosis, ghosts, grain, mottle)
        malignant, others = malignant[alive], others[outside(others, necrosis.depth, -1)]
        viable, dust = everywhere * (1 - dead), necrosis.dust
    mitoses = None
    count = _count(rng, shown.mitoses, size)
    if count:
        malignant, mitoses = divide(rng, malignant, count, shown.nuclear_length, viable)
        cleared = np.minimum(paint(mitoses.cells, _PLAIN), 1)
        eosin += cleared * (0.24 - eosin)
        haematoxylin += cleared * (0.09 - haematoxylin)

    nuclei = paint(malignant, atypical(shown)) + paint(others, _QUIET)
    nuclei = 1.7 * np.tanh(nuclei / 1.7)  # where nuclei overlap, the section is no thicker
    if len(dust):
        nuclei += 1.5 * np.tanh(paint(dust, Texture()))
    if mitoses is not None:
        nuclei += 1.75 * np.tanh(paint(mitoses.chromosomes, _PLAIN))
    haematoxylin += nuclei
    eosin *= 1 - 0.45 * np.minimum(nuclei, 1)
    if tissue is not None:
        haematoxylin, eosin = haematoxylin * tissue, eosin * tissue
    spoilt = spoil(rng, shown.artefact, haematoxylin, eosin)
    return develop(spoilt.haematoxylin, spoilt.eosin, stain, rng, spoilt.defocus, spoilt.over)


def _count(rng: np.random.Generator, density: float, size: int) -> int:
    """Mitoses in a section of `size` pixels; exact for a patch of 300, and never lost in smaller."""
    expected = density * size * size / 9e4
    count = int(expected) + int(rng.random() < expected % 1)
    return max(count, 1) if density >= 1 else count
