"""Any other model of timm, as one piece: ConvNeXt, EfficientNet, MaxViT, EVA, …"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cite.encoders.towers.convnet import built_for, note_size
from cite.encoders.towers.stages import STAGES, Stages
from cite.encoders.towers.vit import layers
from cite.errors import ModelError

if TYPE_CHECKING:
    from cite.encoders.card import Card


@STAGES.register
class AnyModel(Stages):
    """A timm model that is not taken apart: no blocks, all of it is the embedding.

    Its feature is what timm's classifier of that model sees (`pre_logits`), or the image embedding of a
    CLIP.
    """

    description = 'a model of timm that is not taken apart into blocks'
    alternatives = "'PixelPrompt', 'FullFineTuning' or no tuning"

    def __init__(self, card: Card, trunk: nn.Module) -> None:
        super().__init__(card, trunk)
        self.blocks = []
        self.width = card.feature_dim
        self.num_prefix_tokens = 0
        self.num_patches = 0
        self.image_size = built_for(trunk, card)

    @classmethod
    def build(cls, card: Card, image_size: int) -> nn.Module:
        """As `Stages.build`.

        Raises:
            ModelError: A size that the architecture, or the shape of its weights, has no place for.
        """
        if image_size != card.image_size:
            _check_size(card, image_size)
        return note_size(_create(card, image_size), image_size)

    def embed(self, images: Tensor) -> Tensor:
        return features(self.trunk, images, projects=self.card.feature == 'projection')

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens


def features(trunk: nn.Module, images: Tensor, projects: bool = False) -> Tensor:
    """Normalised images (B, 3, H, W) → features (B, D) of a timm model.

    Args:
        projects: The last layer makes the feature; it does not classify.
    """
    maps = trunk.forward_features(images)  # type: ignore[operator]
    return trunk.forward_head(maps, pre_logits=not projects)  # type: ignore[operator]


def _create(card: Card, image_size: int) -> nn.Module:
    import timm

    kwargs = layers(dict(card.arch_kwargs))
    if 'img_size' in kwargs:
        kwargs['img_size'] = image_size
    return timm.create_model(card.arch, pretrained=False, **kwargs)


def _check_size(card: Card, image_size: int) -> None:
    """Raise ModelError unless the weights of the card's own size serve another one, too."""
    try:
        with torch.device('meta'):
            trunk, published = _create(card, image_size).eval(), _create(card, card.image_size)
            features(trunk, torch.empty(1, 3, image_size, image_size))
    except Exception as error:  # architectures fail in their own ways: divisions, reshapes, asserts
        reason = str(error).strip().split('\n')[0]
        raise ModelError(
            f'{card.name} takes images of {card.image_size} pixels, not of {image_size} ({reason}). '
            'Leave image_size out'
        ) from error
    shapes = [{k: v.shape for k, v in m.state_dict().items()} for m in (trunk, published)]
    if shapes[0] != shapes[1]:
        raise ModelError(
            f'{card.name} has weights for images of {card.image_size} pixels alone, found '
            f'image_size={image_size}. Leave image_size out'
        )
