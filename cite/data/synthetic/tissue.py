"""A slide, and its patches: tumour, stroma round it and cells in both, stained and photographed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from cite.data.randomness import generator
from cite.data.synthetic import stroma
from cite.data.synthetic.attributes import Attributes, Grade, draw_patch, draw_slide
from cite.data.synthetic.noise import Field, smooth_noise, smoothstep
from cite.data.synthetic.stain import Stain, develop, draw_stain
from cite.data.synthetic.stamps import Ellipses, Texture, blank, inner, join, outside, stamp
from cite.data.synthetic.tumour import Tumour, grow

SMALLEST = 64  # pixels; the windows that chromatin is cut from need this much

_PLAIN = Texture(lumpiness=0.12)
_QUIET = Texture(lumpiness=0.08, vesicular=0.15, chromatin=0.18)


@dataclass(frozen=True)
class Slide:
    """One case: what it is, how it was stained, and the seed of everything drawn from it."""

    seed: int
    grade: Grade
    number: int
    attributes: Attributes
    stain: Stain
    fibres: Field

    def patch(self, number: int, size: int) -> npt.NDArray[np.uint8]:
        """Draw patch `number`: (size, size, 3) RGB, a function of the four numbers and `size`."""
        rng = generator('synthetic patch', self.seed, self.grade, self.number, number)
        return _draw(rng, draw_patch(rng, self.attributes), self.stain, self.fibres, size)


def open_slide(seed: int, grade: Grade, number: int) -> Slide:
    """Draw slide `number` of a grade: its attributes and stain, none of its patches.

    Even slides of poorly differentiated tumours are solid, odd ones are not.
    """
    rng = generator('synthetic slide', seed, grade, number)
    stain, fibres = draw_stain(rng), stroma.fibre_tile(rng)
    solid = number % 2 == 0 if grade is Grade.POORLY else bool(rng.random() < 0.6)
    return Slide(seed, grade, number, draw_slide(rng, grade, solid), stain, fibres)


def _draw(
    rng: np.random.Generator, patch: Attributes, stain: Stain, fibres: Field, size: int
) -> npt.NDArray[np.uint8]:
    tumour = grow(rng, patch, size)
    grain, mottle = smooth_noise(rng, size, 2.6), smooth_noise(rng, size, 14)
    ground = stroma.weave(rng, patch, tumour.depth, fibres, grain)
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
    noise = (grain, mottle)
    _lay_epithelium(haematoxylin, eosin, tumour, bodies, noise, patch.secretion)
    mucin = np.minimum(paint(tumour.vacuoles, _PLAIN), 1)
    haematoxylin += mucin * (0.10 - haematoxylin)
    eosin *= 1 - 0.75 * mucin

    others = join(
        [stroma.fibroblasts(rng, size, ground), stroma.inflammatory_cells(rng, size, patch)]
    )
    others = join([others[outside(others, tumour.depth, -3)], endothelium])
    nuclei = paint(tumour.nuclei, _atypical(patch)) + paint(others, _QUIET)
    nuclei = 1.7 * np.tanh(nuclei / 1.7)  # where nuclei overlap, the section is no thicker
    haematoxylin += nuclei
    eosin *= 1 - 0.45 * np.minimum(nuclei, 1)
    if patch.bare:
        tissue = _within_edge(rng, patch.bare, size)
        haematoxylin, eosin = haematoxylin * tissue, eosin * tissue
    return develop(haematoxylin, eosin, stain, rng)


def _within_edge(rng: np.random.Generator, bare: float, size: int) -> Field:
    """1 in the tissue, 0 on the bare glass that takes `bare` of the patch at one side."""
    slope = np.linspace(-1, 1, size, dtype=np.float32)
    turn = rng.uniform(0, 2 * np.pi)
    away = np.float32(np.cos(turn)) * slope[None, :] + np.float32(np.sin(turn)) * slope[:, None]
    away = away + 0.12 * smooth_noise(rng, size, 60) + 0.02 * smooth_noise(rng, size, 12)
    border = float(np.quantile(away[::4, ::4], 1 - bare))
    return 1 - smoothstep(away, border, border + 3 / size)


def _atypical(patch: Attributes) -> Texture:
    """Chromatin of the tumour's nuclei: with atypia pale centres, clumps at the rim, nucleoli."""
    atypia = 1 - patch.differentiation
    return Texture(
        lumpiness=0.04 + 0.4 * patch.pleomorphism,
        vesicular=0.3 + 0.45 * atypia,
        chromatin=0.16,
        nucleoli=0.9 * atypia**2,
    )


def _lay_epithelium(
    haematoxylin: Field,
    eosin: Field,
    tumour: Tumour,
    bodies: Field,
    noise: tuple[Field, Field],
    share: float,
) -> None:
    """Cover the stroma, in place, with the tumour's cytoplasm and its lumina.

    `bodies` is the cover of single cells, `noise` fine and coarse; `share` of the lumina holds
    secretion.
    """
    grain, mottle = noise
    wall = smoothstep(tumour.depth, -1.2, 1.2)
    # tissue shrinks in fixation, and glands come away from the stroma here and there
    eosin *= 1 - 0.8 * smoothstep(tumour.depth, -4.5, -1.5) * smoothstep(mottle, 0, 1) * (1 - wall)
    surface = np.exp(-0.5 * ((tumour.lumen + 2.5) / 1.5) ** 2)  # the apical border is denser
    cytoplasm = 0.42 * (1 + 0.10 * grain + 0.14 * mottle) + 0.14 * surface
    basophilia = 0.20 * (1 + 0.12 * grain + 0.15 * mottle)
    cells = np.maximum(wall, bodies)
    eosin += cells * (cytoplasm - eosin)
    haematoxylin += cells * (basophilia - haematoxylin)
    hole = smoothstep(tumour.lumen, -1.0, 1.0)
    filled = smoothstep(mottle + 0.4 * grain, 2.2 - 4.2 * share, 3.6 - 4.2 * share)
    secretion = 0.02 + (0.3 - 0.1 * share) * filled
    eosin += hole * (secretion - eosin)
    haematoxylin += hole * (0.2 * secretion - haematoxylin)
