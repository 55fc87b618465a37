"""Plain vision transformers, built by timm."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cite.encoders.towers.conv_stem import ConvStem
from cite.encoders.towers.ctranspath_stem import CTransPathStem
from cite.encoders.towers.stages import STAGES, Stages

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

    from cite.encoders.card import Card

OWN_LAYERS = {'ConvStem': ConvStem, 'CTransPathStem': CTransPathStem}
"""Layers that cards name and timm does not have."""


@STAGES.register
class PlainViT(Stages):
    """timm models with the stages of its `VisionTransformer`: registers, LayerScale, SwiGLU, sub-norms."""

    description = 'a plain vision transformer'
    takes_prompts = True
    trunk: VisionTransformer

    def __init__(self, card: Card, trunk: nn.Module) -> None:
        super().__init__(card, trunk)
        self.blocks = list(self.trunk.blocks)
        self.width = self.trunk.embed_dim
        self.num_prefix_tokens = self.trunk.num_prefix_tokens
        self.num_patches = self.trunk.patch_embed.num_patches
        self.image_size = self.trunk.patch_embed.img_size[0]

    @classmethod
    def build(cls, card: Card, image_size: int) -> nn.Module:
        import timm

        kwargs = layers({**card.arch_kwargs, 'img_size': image_size})
        return timm.create_model(card.arch, pretrained=False, **kwargs)

    def embed(self, images: Tensor) -> Tensor:
        trunk = self.trunk
        tokens = trunk.patch_embed(images)
        return trunk.norm_pre(trunk.patch_drop(trunk._pos_embed(tokens)))

    def pool(self, tokens: Tensor) -> Tensor:
        tokens = self.trunk.norm(tokens)
        if self.card.feature == 'token+mean':
            patches = tokens[:, self.num_prefix_tokens :]
            return torch.cat([tokens[:, 0], patches.mean(dim=1)], dim=-1)
        return self.trunk.forward_head(tokens)


def layers(kwargs: dict[str, Any]) -> dict[str, Any]:
    """Arguments of `timm.create_model`, with layers that are named by strings looked up.

    timm looks up activations and norms itself, other layers it does not. A norm may name its epsilon:
    'LayerNorm@1e-12'.
    """
    import timm.layers

    def look_up(key: str, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if key in ('mlp_layer', 'embed_layer'):
            return OWN_LAYERS.get(value) or getattr(timm.layers, value)
        if key == 'norm_layer' and '@' in value:
            norm, _, eps = value.partition('@')
            return partial(getattr(timm.layers, norm), eps=float(eps))
        return value

    return {key: look_up(key, value) for key, value in kwargs.items()}
