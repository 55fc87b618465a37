"""Tower, neck and head put together: images in, one logit per class out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import load_vision
from cite.errors import ConfigError
from cite.heads import HEADS, Head
from cite.necks import NECKS, Neck
from cite.registry import check_options


class Classifier(nn.Module):
    """A frozen tower under a neck and a head.

    Args:
        backbone: The tower with its tuning.
        neck: A neck, or None where the head takes the tower's features as they are.
        head: The head.
        classes: Class names in label order.

    Sizes are settled here: the head says what it takes, the neck is made to fit between.

    Raises:
        ConfigError: Sizes that were given and do not fit, or a text head without a neck of its size.
    """

    def __init__(
        self, backbone: VisionTower, neck: Neck | None, head: Head, classes: Sequence[str]
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head
        self.classes = tuple(classes)
        features = backbone.feature_dim
        if neck is not None:
            neck.attach(features, head.in_features)
            features = neck.out_features or features
        head.attach(features, self.classes)

    def forward(self, images: Tensor) -> Tensor:
        """Images (B, 3, H, W) of the tower's size, uint8 or float in 0…1 → logits (B, classes)."""
        features = self.backbone(images)
        return self.head(features if self.neck is None else self.neck(features))


def assemble(
    backbone: Mapping[str, Any] | VisionTower,
    neck: Mapping[str, Any] | Neck | None,
    head: Mapping[str, Any] | Head,
    classes: Sequence[str],
) -> Classifier:
    """Builds a classifier from the `backbone`, `neck` and `head` of a config.

    Raises:
        ConfigError: An unknown type or option, or parts that do not fit each other.
        ModelError: The tower or the text encoder cannot be had.
    """
    if not isinstance(backbone, VisionTower):
        options = dict(backbone)
        kind = options.pop('type', 'VisionTower')
        if kind != 'VisionTower':
            raise ConfigError(
                f"model.backbone.type must be 'VisionTower', found {kind!r}; the model is chosen by "
                'model.backbone.model'
            )
        check_options('model.backbone', load_vision, options)
        backbone = load_vision(**options)
    return Classifier(
        backbone, NECKS.build(neck) if neck is not None else None, HEADS.build(head), classes
    )
