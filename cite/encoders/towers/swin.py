"""Swin transformers, built by timm: attention within windows, on grids that halve from stage to stage."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cite.encoders.towers.projection import add_projection
from cite.encoders.towers.stages import STAGES, Stages
from cite.encoders.towers.vit import layers
from cite.errors import ModelError

if TYPE_CHECKING:
    from cite.encoders.card import Card


@STAGES.register
class Swin(Stages):
    """Any timm model with the stages of its `SwinTransformer`: Swin of the first version, CTransPath.

    Tokens stay on their grid, (B, rows, columns, channels); where a stage begins, four of them are merged
    into one of twice the length, which counts as part of the stage's first block. A card's `patch_size`
    is what a token of the last stage covers, 32 pixels, so that every merging meets an even grid.
    """

    description = 'a Swin transformer'
    takes_prompts = True
    windowed = True
    trunk: Any  # a `SwinTransformer`, whose parts timm does not type
    instead: Callable[[nn.Module, Tensor], Tensor] | None = None
    """What a tuning runs in place of a block, behind the merging: (block, tokens) → tokens."""

    def __init__(self, card: Card, trunk: nn.Module) -> None:
        super().__init__(card, trunk)
        stages = list(self.trunk.layers)
        self.blocks = [block for stage in stages for block in stage.blocks]
        starts = [sum(len(stage.blocks) for stage in stages[:i]) for i in range(len(stages))]
        self.merging = dict(zip(starts, (stage.downsample for stage in stages), strict=True))
        embedding = self.trunk.patch_embed
        self.width = self.trunk.embed_dim
        self.num_prefix_tokens = 0
        self.num_patches = embedding.num_patches
        self.image_size = embedding.img_size[0]

    @classmethod
    def build(cls, card: Card, image_size: int) -> nn.Module:
        """As `Stages.build`.

        Raises:
            ModelError: Images too small for the windows that its weights were trained with.
        """
        trunk = _create(card, image_size)
        with torch.device('meta'):
            wanted = _windows(_create(card, card.image_size))
        if _windows(trunk) != wanted:  # timm shrinks them to the grid
            rows, columns = max(wanted)
            raise ModelError(
                f'{card.name} attends within windows of {rows} × {columns} tokens, which do not fit '
                f'into images of {image_size} pixels; use at least {card.image_size}'
            )
        return trunk

    def embed(self, images: Tensor) -> Tensor:
        tokens: Tensor = self.trunk.patch_embed(images)
        return tokens

    def block(self, index: int, tokens: Tensor) -> Tensor:
        if index in self.merging:
            tokens = self.merging[index](tokens)
        if self.instead is not None:
            return self.instead(self.blocks[index], tokens)
        return super().block(index, tokens)

    def block_size(self, index: int) -> tuple[int, int]:
        block: Any = self.blocks[index]
        rows, columns = block.input_resolution
        return rows * columns, block.dim

    def pool(self, tokens: Tensor) -> Tensor:
        tokens = self.trunk.norm(tokens)
        return self.trunk.forward_head(tokens, pre_logits=self.card.feature != 'projection')


def _create(card: Card, image_size: int) -> Any:
    import timm

    kwargs = layers({**card.arch_kwargs, 'img_size': image_size})
    trunk = timm.create_model(card.arch, pretrained=False, **kwargs)
    if card.feature == 'projection':
        add_projection(trunk, card.feature_dim)
    return trunk


def _windows(trunk: Any) -> list[tuple[int, int]]:
    return [block.window_size for stage in trunk.layers for block in stage.blocks]
