"""How the tumour's cells take the stain: cytoplasm, lumina and chromatin."""

from __future__ import annotations

import numpy as np

from cite.data.synthetic.attributes import Attributes
from cite.data.synthetic.noise import Field, smoothstep
from cite.data.synthetic.stamps import Texture
from cite.data.synthetic.tumour import Tumour


def atypical(patch: Attributes) -> Texture:
    """Chromatin of the tumour's nuclei: with atypia pale centres, clumps at the rim, nucleoli."""
    atypia = 1 - patch.differentiation
    return Texture(
        lumpiness=0.04 + 0.4 * patch.pleomorphism,
        vesicular=0.3 + 0.45 * atypia,
        chromatin=0.16,
        nucleoli=0.9 * atypia**2,
    )


def lay_epithelium(
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
