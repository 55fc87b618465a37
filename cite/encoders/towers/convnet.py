"""Convolutional networks of timm: ResNet, ResNetV2 (BiT) and DenseNet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from cite.encoders.towers.projection import add_projection
from cite.encoders.towers.stages import STAGES, Stages
from cite.encoders.towers.vit import layers

if TYPE_CHECKING:
    from cite.encoders.card import Card


@STAGES.register
class ConvNet(Stages):
    """Any timm model with the stages of its `ResNet`, `ResNetV2` or `DenseNet`.

    Blocks are the residual blocks; in DenseNet, whose layers each see all before them, its dense groups
    and the transitions between them. They pass on maps (B, channels, rows, columns). A card's
    `patch_size` is what one place of the last map stands for, 32 pixels as a rule.
    """

    description = 'a convolutional network'
    convolutional = True
    alternatives = "LoRA (targets='conv'), 'PixelPrompt', 'FullFineTuning' or no tuning"

    def __init__(self, card: Card, trunk: nn.Module) -> None:
        super().__init__(card, trunk)
        stem, self.blocks, final = _parts(trunk)
        # plain lists: the modules belong to the trunk and keep their names
        self._stem, self._final = list(stem), list(final)
        self.width = trunk.feature_info[0]['num_chs']  # type: ignore[index,assignment]
        self.num_prefix_tokens = 0
        self.num_patches = 0
        self.image_size = built_for(trunk, card)

    @classmethod
    def build(cls, card: Card, image_size: int) -> nn.Module:
        import timm

        trunk = timm.create_model(card.arch, pretrained=False, **layers(dict(card.arch_kwargs)))
        if card.feature == 'projection':
            add_projection(trunk, card.feature_dim)
        return note_size(trunk, image_size)

    def embed(self, images: Tensor) -> Tensor:
        for module in self._stem:
            images = module(images)
        return images

    def pool(self, tokens: Tensor) -> Tensor:
        for module in self._final:
            tokens = module(tokens)
        projects = self.card.feature == 'projection'
        return self.trunk.forward_head(tokens, pre_logits=not projects)  # type: ignore[operator]


def _parts(trunk: nn.Module) -> tuple[list[nn.Module], list[nn.Module], list[nn.Module]]:
    """What comes before the blocks, the blocks, and what comes behind them but for the pooling."""
    from timm.models.densenet import DenseNet
    from timm.models.resnetv2 import ResNetV2

    if isinstance(trunk, DenseNet):
        children = dict(trunk.features.named_children())
        blocks = [m for n, m in children.items() if n.startswith(('denseblock', 'transition'))]
        *stem, final = (module for module in children.values() if module not in blocks)
        return stem, blocks, [final]
    if isinstance(trunk, ResNetV2):
        groups = [stage.get_submodule('blocks') for stage in trunk.stages.children()]
        return [trunk.stem], [block for group in groups for block in group.children()], [trunk.norm]
    parts = dict(trunk.named_children())
    stages = [parts[f'layer{number}'] for number in (1, 2, 3, 4)]
    stem = [parts[name] for name in ('conv1', 'bn1', 'act1', 'maxpool')]
    return stem, [block for stage in stages for block in stage.children()], []


def note_size(trunk: nn.Module, image_size: int) -> nn.Module:
    """Writes on a model that takes images of many sizes which one it is run at; returns the model."""
    trunk.image_size = image_size  # type: ignore[assignment]
    return trunk


def built_for(trunk: nn.Module, card: Card) -> int:
    """The size that `note_size` wrote; the card's where it did not."""
    size = getattr(trunk, 'image_size', None)
    return size if isinstance(size, int) else card.image_size
