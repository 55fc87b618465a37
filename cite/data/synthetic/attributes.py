"""What a pathologist would describe: drawn first, so that image and caption both follow from it.

A slide has one latent `differentiation` between 0 (anaplastic) and 1 (nearly normal). The three
grades draw it from overlapping ranges and everything that shows the grade (glands, nuclei) follows
from it with scatter, so that grades overlap as they do in practice. What says nothing about grade
(stain, inflammation, fibres, amount of stroma) is drawn independently of it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from enum import Enum, IntEnum

import numpy as np


class Grade(IntEnum):
    """The three classes of PatchGastric's task; the value is part of every seed."""

    WELL = 0
    MODERATELY = 1
    POORLY = 2


class Artefact(Enum):
    """What goes wrong in cutting, mounting and scanning; the value is the term for it."""

    NONE = 'none'
    FOLD = 'tissue fold'
    BLUR = 'out of focus'
    PEN = 'pen mark'
    BUBBLE = 'air bubble'
    TEAR = 'tear'
    KNIFE = 'knife lines'


ARTEFACT_RATE = 0.12  # of patches
_CENTRE = {Grade.WELL: 0.83, Grade.MODERATELY: 0.54, Grade.POORLY: 0.18}


@dataclass(frozen=True)
class Attributes:
    """Attributes of a slide, or of one patch of it. Lengths in pixels (about 0.75 micrometres)."""

    grade: Grade
    solid: bool  # how tumour without glands grows: in sheets, or as single cells and cords
    differentiation: float
    tumour_share: float  # of the tissue's area
    necrosis: float  # share of the tumour's area that is dead
    mitoses: float  # figures per 300 x 300 pixels; a whole number in a patch
    gland_share: float  # of the tumour that forms glands at all
    gland_radius: float
    irregularity: float  # of the glands' outline; 0 is round
    lumen_share: float  # lumen radius over gland radius
    cribriform: float  # chance that a gland is a fused mass with punched-out lumina
    crowding: float  # 1: glands keep a distance; below: back to back, fused
    nuclear_length: float
    nuclear_aspect: float  # length over width; columnar epithelium has long nuclei
    pleomorphism: float  # relative scatter of nuclear size
    hyperchromasia: float  # haematoxylin of nuclei
    polarity: float  # 1: one basal row of nuclei, at right angles to the wall
    signet: float  # share of single cells with a mucin vacuole
    inflammation: float  # lymphocytes per 10^4 pixels of stroma
    fibrosis: float  # eosin of the stroma
    waviness: float  # of the fibres
    oedema: float  # clefts between the fibres
    secretion: float  # share of the lumina's area that holds some
    bare: float  # share of the patch beyond the tissue's edge
    artefact: Artefact


def draw_slide(rng: np.random.Generator, grade: Grade, solid: bool) -> Attributes:
    """Draw the attributes of one slide; `solid` is used where tumour grows without glands."""
    differentiation = float(np.clip(rng.normal(_CENTRE[grade], 0.08), 0, 1))
    loss = 1 - differentiation
    marked, necrotic = rng.random() < 0.35, rng.random() < 0.15 + 0.35 * loss
    return Attributes(
        grade=grade,
        solid=solid,
        differentiation=differentiation,
        **_architecture(rng, differentiation),
        **_nuclei(rng, differentiation, solid),
        **_stroma(rng),
        tumour_share=rng.uniform(0.4, 0.9),
        necrosis=rng.uniform(0.15, 0.5) * necrotic,
        # counts follow the grade loosely: the scatter of a gamma of shape 1.3 is near its mean
        mitoses=rng.gamma(1.3, (0.4 + 2.8 * loss**1.5) / 1.3),
        signet=rng.uniform(0.0, 0.5) * (not solid),
        inflammation=rng.uniform(8, 18) if marked else rng.uniform(0.4, 5.0),
        secretion=rng.beta(0.8, 1.2),
        bare=0.0,
        artefact=Artefact.NONE,
    )


def draw_patch(rng: np.random.Generator, slide: Attributes) -> Attributes:
    """Vary a slide's attributes for one patch; some are mostly stroma or at the border."""
    differentiation = float(np.clip(slide.differentiation + rng.normal(0, 0.07), 0, 1))
    share = slide.tumour_share + rng.normal(0, 0.12)
    if rng.random() < 1 / 7:
        share = rng.uniform(0.05, 0.3)
    share = float(np.clip(share, 0.05, 0.97))
    necrotic = slide.necrosis > 0 and share > 0.3 and rng.random() < 0.65
    kinds = [kind for kind in Artefact if kind is not Artefact.NONE]
    spoilt, kind = rng.random() < ARTEFACT_RATE, kinds[int(rng.integers(len(kinds)))]
    return dataclasses.replace(
        slide,
        differentiation=differentiation,
        **_architecture(rng, differentiation),  # type: ignore[arg-type]
        # nuclei are much the same all over a tumour; its architecture is not
        nuclear_length=slide.nuclear_length * rng.normal(1, 0.03),
        tumour_share=share,
        necrosis=float(np.clip(slide.necrosis * rng.normal(1, 0.3), 0.12, 0.6))
        if necrotic
        else 0.0,
        mitoses=float(rng.poisson(expected_mitoses(slide, share)) if share > 0.15 else 0),
        inflammation=slide.inflammation * rng.gamma(8.0, 1 / 8),
        oedema=float(np.clip(slide.oedema + rng.normal(0, 0.05), 0, 1)),
        secretion=float(np.clip(slide.secretion + rng.normal(0, 0.2), 0, 1)),
        bare=float(rng.uniform(0.03, 0.35)) if rng.random() < 1 / 10 else 0.0,
        artefact=kind if spoilt else Artefact.NONE,
    )


def expected_mitoses(slide: Attributes, share: float) -> float:
    """Figures to expect in a patch of 300 pixels whose tumour takes `share` of it."""
    return slide.mitoses * share / 0.7  # the attribute is of a patch with a usual share


def _stroma(rng: np.random.Generator) -> dict[str, float]:
    """Fibrous, loose or oedematous: three kinds that differ, each with scatter of its own."""
    dense, clefts = (((0.6, 0.85), (0, 0.4)), ((0.28, 0.46), (0.1, 0.45)), ((0.28, 0.5), (0.7, 1)))[
        int(rng.integers(3))
    ]
    return {
        'fibrosis': rng.uniform(*dense),
        'oedema': rng.uniform(*clefts),
        'waviness': rng.uniform(1.5, 6.0),
    }


def _architecture(rng: np.random.Generator, differentiation: float) -> dict[str, float]:
    """How well the tumour still builds glands, from its differentiation, with scatter."""
    loss = 1 - differentiation
    return {
        'gland_share': float(1 / (1 + np.exp(-(differentiation - 0.39) / 0.04))),
        'gland_radius': float(np.clip(rng.normal(27 + 30 * differentiation, 5), 20, 70)),
        'irregularity': float(np.clip(rng.normal(0.03 + 0.32 * loss, 0.04), 0.01, 0.4)),
        'lumen_share': float(np.clip(rng.normal(0.18 + 0.40 * differentiation, 0.06), 0.12, 0.7)),
        'cribriform': float(np.clip(rng.normal(1.3 * (loss - 0.28), 0.06), 0, 0.6)),
        'crowding': float(np.clip(rng.normal(0.72 + 0.36 * differentiation, 0.04), 0.7, 1.12)),
    }


def _nuclei(rng: np.random.Generator, differentiation: float, solid: bool) -> dict[str, float]:
    """Nuclear atypia, from the differentiation, with scatter."""
    loss = 1 - differentiation
    # discohesive cells are small; the nuclei of solid sheets are the largest
    growth = 5.5 if solid else 1.0
    return {
        'nuclear_length': rng.normal(12.5, 0.9) + growth * max(loss - 0.3, 0),
        'nuclear_aspect': float(np.clip(rng.normal(1.15 + 0.75 * differentiation, 0.1), 1.1, 2.2)),
        'pleomorphism': float(np.clip(rng.normal(0.04 + 0.26 * loss, 0.03), 0.03, 0.4)),
        'hyperchromasia': float(np.clip(rng.normal(0.85 + 0.25 * loss, 0.12), 0.65, 1.3)),
        'polarity': float(np.clip(rng.normal(0.1 + 0.9 * differentiation, 0.06), 0, 1)),
    }
