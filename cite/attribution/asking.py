"""Other texts than a model was trained with, or a pair's own: a classifier whose classes are the texts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import torch
from torch import Tensor, nn
from torch.nn import functional

from cite.anchors import Anchors, class_sentences
from cite.classifier import Classifier
from cite.encoders.pair import Pair
from cite.errors import ConfigError
from cite.heads.text_embedding import TextEmbeddingHead
from cite.necks.base import Neck
from cite.serving.predictor import Predictor
from cite.serving.space import Space, space_of_adapter, space_of_pair

if TYPE_CHECKING:
    from cite.encoders.towers.tower import VisionTower


@overload
def ask(
    model: Pair, texts: Sequence[str], templates: Sequence[str] | None = None
) -> Classifier: ...
@overload
def ask(
    model: Predictor, texts: Sequence[str], templates: Sequence[str] | None = None
) -> Predictor: ...
def ask(
    model: Pair | Predictor, texts: Sequence[str], templates: Sequence[str] | None = None
) -> Classifier | Predictor:
    """A classifier whose classes are texts, for `explain`; nothing trains, and the model is shared.

    Args:
        model: A pair (`cite.load_pair`), or an adapter whose head compares images with texts.
        texts: The classes, two or more that differ.
        templates: Sentences with `{}` around each text, whose embeddings are averaged; default: those of
            the pair's authors, or the texts alone where none are known. `['{}']`: the texts alone.

    Raises:
        ConfigError: Fewer than two texts, one twice, an empty one, one that is too long, or an adapter that
            knows no texts.
        CheckpointError, ModelError: The adapter's text encoder is another, or cannot be had.
    """
    check_texts(texts)
    if isinstance(model, Pair):
        space = space_of_pair(model, 'pair')
        return _classifier(model.vision, model.image_projection, space, texts, templates)
    space = space_of_adapter(model, 'adapter')
    trained = model.classifier
    after = nn.Identity() if trained.neck is None else trained.neck
    return Predictor(
        _classifier(trained.backbone, after, space, texts, templates).eval(), model.info
    )


def check_texts(texts: Sequence[str]) -> None:
    """That texts can be told apart: of one alone the probability is 1, whatever the image.

    Raises:
        ConfigError: Fewer than two, an empty one, or one twice; case and spaces make no other text.
    """
    if isinstance(texts, str) or len(texts) < 2:
        raise ConfigError(
            f'give two texts or more, found {texts if isinstance(texts, str) else list(texts)!r}: what is '
            'asked is which of them fits an image better'
        )
    seen: set[str] = set()
    for text in texts:
        key = ' '.join(text.split()).casefold()
        if not key:
            raise ConfigError('one of the texts is empty; write what it is to stand for')
        if key in seen:
            raise ConfigError(
                f'the text {text!r} is given twice; the texts are classes, so each must be another'
            )
        seen.add(key)


class _Ready(Neck):
    """A projection with its weights, which `attach` leaves alone."""

    def __init__(self, layer: nn.Module, out_features: int) -> None:
        super().__init__()
        self.layer = layer
        self.out_features = out_features

    def attach(self, in_features: int, wanted: int | None) -> None:
        pass

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.layer(features)
        return out


def _classifier(
    tower: VisionTower,
    after: nn.Module,
    space: Space,
    texts: Sequence[str],
    templates: Sequence[str] | None,
) -> Classifier:
    sentences = class_sentences(list(texts), templates or space.templates or None).sentences
    vectors = torch.from_numpy(space.encode_text([one for own in sentences for one in own]))
    parts = vectors.split([len(own) for own in sentences])
    anchors = functional.normalize(torch.stack([part.mean(0) for part in parts]), dim=-1)
    head = TextEmbeddingHead(
        texts, anchors=Anchors(anchors, tuple(texts)), temperature=math.log(space.scale)
    )
    neck = _Ready(after, space.dim)
    return Classifier(tower, neck, head.to(tower.mean.device), texts).eval()
