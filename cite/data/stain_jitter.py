"""Random staining in training, so that a model does not learn a laboratory's.

Ruifrok and Johnston, 'Quantification of histochemical staining by color deconvolution', Analytical and
Quantitative Cytology and Histology 2001 (the dyes); Tellez et al., 'Whole-slide mitosis detection in H&E
breast histology using PHH3 as a reference to train distilled stain-invariant convolutional networks',
IEEE Transactions on Medical Imaging 2018, and 'Quantifying the effects of data augmentation and stain
color normalization …', Medical Image Analysis 2019 (their jitter).
"""

from __future__ import annotations

import numpy as np
import torch

from cite.errors import ConfigError
from cite.images.resize import Picture
from cite.images.stain.density import (
    Values,
    from_density,
    like,
    optical_density,
    pixels_of,
    tissue_weight,
)

_DYES = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11], [0.27, 0.57, 0.78]])
_DYES /= np.linalg.norm(_DYES, axis=1, keepdims=True)
"""Haematoxylin, eosin, DAB: densities in red, green, blue."""


class StainJitter:
    """Scales and shifts the amounts of haematoxylin, eosin and the rest (HED), each by its own draw.

    An amount x becomes a·x + b, with a from 1 - sigma to 1 + sigma and b from -sigma to sigma (densities
    as natural logarithms). Unlike in the papers the shift fades out on glass, which therefore stays
    nearly white. Randomness comes from torch's CPU generator.

    Args:
        sigma: 0 to 1; 0.05 is the papers' light jitter, 0.2 their strong one. 0 changes nothing.

    Raises:
        ConfigError: A sigma outside of that.
    """

    augments = True

    def __init__(self, sigma: float = 0.05) -> None:
        if not 0 <= sigma <= 1:
            raise ConfigError(f'StainJitter: sigma must be 0 to 1, found {sigma}')
        self.sigma = float(sigma)

    def __call__(self, picture: Picture) -> Picture:
        """RGB image or uint8 tensor 3 x H x W; the result is of the same kind and size."""
        scale, shift = (self.sigma * (2 * torch.rand(2, 3, dtype=torch.float64) - 1)).numpy()
        density = optical_density(pixels_of(picture))
        # amounts = density @ inverse(dyes), so both changes are a matrix and a vector of densities
        matrix = np.linalg.inv(_DYES) @ np.diag(1 + scale) @ _DYES
        jittered: Values = density @ matrix.astype(np.float32)
        jittered += tissue_weight(density) * (shift @ _DYES).astype(np.float32)
        return like(picture, from_density(jittered))  # type: ignore[return-value]
