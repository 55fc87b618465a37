"""The convolutional stem of CTransPath, in place of a Swin transformer's patch embedding.

Wang et al., 'Transformer-based unsupervised contrastive learning for histopathological image
classification' (Medical Image Analysis 2022): two 3 × 3 convolutions of stride 2, then a linear map. Its
layers stand in one sequence, `proj`, as in the published file.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from cite.errors import ConfigError

PATCH_SIZE = 4


class CTransPathStem(nn.Module):
    """For timm's `SwinTransformer(embed_layer=CTransPathStem)`.

    Args:
        img_size: Side of the image in pixels.
        patch_size: Side of a patch in pixels; 4, which two strides of 2 make.
        in_chans: Channels of the image.
        embed_dim: Length of a token; the convolutions have an eighth and a quarter of it.
        norm_layer: Of the tokens; None: they are not normalised.
        device, dtype: Of the weights.
        **_: What timm passes to patch embeddings of other kinds.

    Raises:
        ConfigError: Another patch size, or a length that 8 does not divide.
    """

    def __init__(
        self,
        img_size: int = 224,
        patch_size: int = PATCH_SIZE,
        in_chans: int = 3,
        embed_dim: int = 96,
        norm_layer: type[nn.Module] | None = None,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        **_: Any,
    ) -> None:
        super().__init__()
        if patch_size != PATCH_SIZE or embed_dim % 8:
            raise ConfigError(
                f'CTransPathStem: patch_size must be {PATCH_SIZE} and embed_dim a multiple of 8, found '
                f'{patch_size} and {embed_dim}'
            )
        where: dict[str, Any] = {'device': device, 'dtype': dtype}
        side = img_size // patch_size
        self.img_size = (img_size, img_size)
        self.patch_size = (patch_size, patch_size)
        self.grid_size = (side, side)
        self.num_patches = side * side
        layers: list[nn.Module] = []
        before = in_chans
        for after in (embed_dim // 8, embed_dim // 4):
            layers += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False, **where),
                nn.BatchNorm2d(after, **where),
                nn.ReLU(inplace=True),
            ]
            before = after
        self.proj = nn.Sequential(*layers, nn.Conv2d(before, embed_dim, 1, **where))
        self.norm = nn.Identity() if norm_layer is None else norm_layer(embed_dim, **where)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) → tokens (B, H / 4, W / 4, embed_dim)."""
        tokens: Tensor = self.norm(self.proj(images).permute(0, 2, 3, 1))
        return tokens
