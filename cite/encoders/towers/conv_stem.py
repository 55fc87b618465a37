"""A convolutional stem in place of a transformer's patch embedding.

Xiao et al., 'Early convolutions help transformers see better' (NeurIPS 2021): 3 × 3 convolutions of stride
2 up to the patch size, then a linear map. Small transformers learn faster with it.
"""

from __future__ import annotations

import itertools
import math
from typing import Any

from torch import Tensor, nn

from cite.errors import ConfigError


class ConvStem(nn.Module):
    """For timm's `VisionTransformer(embed_layer=ConvStem)`.

    Args:
        img_size, patch_size: Side of image and patch in pixels; the patch's a power of 2.
        in_chans: Channels of the image.
        embed_dim: Length of a token; the convolutions before have 1/2, 1/4, … of it.
        **_: What timm passes to patch embeddings of other kinds.

    Raises:
        ConfigError: A patch size that is no power of 2.
    """

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = 16,
        in_chans: int = 3,
        embed_dim: int = 768,
        **_: Any,
    ) -> None:
        super().__init__()
        steps = int(math.log2(patch_size))
        if 2**steps != patch_size:
            raise ConfigError(f'ConvStem: patch_size must be a power of 2, found {patch_size}')
        side = img_size // patch_size
        self.img_size = (img_size, img_size)
        self.patch_size = (patch_size, patch_size)
        self.grid_size = (side, side)
        self.num_patches = side * side
        widths = [in_chans, *(embed_dim // 2 ** (steps - 1 - i) for i in range(steps))]
        layers: list[nn.Module] = []
        for before, after in itertools.pairwise(widths):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(inplace=True),
            ]
        self.stem = nn.Sequential(*layers)
        self.proj = nn.Conv2d(embed_dim, embed_dim, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) → tokens (B, patches, embed_dim)."""
        tokens: Tensor = self.proj(self.stem(images)).flatten(2).transpose(1, 2)
        return tokens
