"""H&E staining: from amounts of two dyes to colours, by the law of Beer and Lambert.

Each slide has its own dyes, thickness, illumination, focus and grain, drawn without regard to the
grade, as laboratories and scanners differ. Stain vectors after Ruifrok and Johnston (2001),
'Quantification of histochemical staining by color deconvolution'.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from cite.data.synthetic.noise import Field

_HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
_EOSIN = np.array([0.09, 0.95, 0.30])
# what a hue of 1 adds: a colder, bluer haematoxylin; a warmer, more orange eosin
_COLDER = np.array([0.11, -0.07, -0.06])
_WARMER = np.array([-0.03, -0.08, 0.15])


@dataclass(frozen=True)
class Stain:
    """How one slide was stained and scanned."""

    haematoxylin: Field  # (3,) optical density per unit of dye in red, green, blue
    eosin: Field  # (3,)
    light: Field  # (3,) colour of the empty glass, 0..255
    blur: float  # focus, standard deviation in pixels
    grain: float  # sensor noise, grey levels
    coldness: float  # hue of the haematoxylin, from -1 (purple) to 1 (blue)
    warmth: float  # hue of the eosin, from -1 (magenta) to 1 (orange)


def draw_stain(rng: np.random.Generator) -> Stain:
    """Draw the stain of one slide."""

    def dye(vector: npt.NDArray[np.float64], strength: float) -> Field:
        vector = np.clip(vector + rng.normal(0, 0.015, 3), 0.02, None)
        return (strength * vector / np.linalg.norm(vector)).astype(np.float32)

    coldness, warmth = rng.uniform(-1, 1, 2)
    return Stain(
        haematoxylin=dye(_HAEMATOXYLIN + coldness * _COLDER, rng.uniform(1.0, 1.5)),
        eosin=dye(_EOSIN + warmth * _WARMER, rng.uniform(0.65, 1.1)),
        coldness=float(coldness),
        warmth=float(warmth),
        light=np.float32(rng.uniform(234, 250)) + rng.normal(0, 3.0, 3).astype(np.float32),
        blur=rng.uniform(0.45, 0.95),
        grain=rng.uniform(1.5, 4.5),
    )


def develop(
    haematoxylin: Field,
    eosin: Field,
    stain: Stain,
    rng: np.random.Generator,
    defocus: float = 0.0,
    over: Field | None = None,
) -> npt.NDArray[np.uint8]:
    """Photograph a section: two (size, size) fields of dye → (size, size, 3) RGB.

    `defocus` is blur beyond the stain's own, in pixels; `over` the optical density of what lies on
    the glass, (3, size, size).
    """
    blur = float(np.hypot(stain.blur, defocus))
    blue, pink = (ndimage.gaussian_filter(dye, blur, truncate=2.5) for dye in (haematoxylin, eosin))
    noise = rng.standard_normal(blue.shape, dtype=np.float32) * np.float32(stain.grain)
    picture = np.empty((*blue.shape, 3), np.uint8)
    for i in range(3):
        density = blue * stain.haematoxylin[i] + pink * stain.eosin[i]
        if over is not None:
            density += over[i]
        light = np.exp(np.log(stain.light[i]) - density) + (noise + np.float32(0.5))
        picture[..., i] = np.clip(light, 0, 255)
    return picture
