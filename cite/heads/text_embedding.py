"""Text-anchored classification: a patch belongs to the class whose description lies nearest.

CITE (Zhang et al., MICCAI 2023), eq. 2: p(c | x) = softmax_c( exp(t) · cos(projected feature, anchor c) ).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cite.anchors import Anchors, class_sentences, embed_classes
from cite.anchors.descriptions import places
from cite.anchors.ensemble import Texts
from cite.errors import ConfigError
from cite.heads.base import HEADS, Head

LOG_SCALE = 4.6052
"""Logarithm of the scale of cosines where nothing says another: 100, as CLIP's."""


@HEADS.register
class TextEmbeddingHead(Head):
    """Cosine similarity to one frozen text embedding per class, times a temperature.

    Args:
        texts: One description per class, in the order of the classes; or several per class (a list of
            lists), whose anchors are averaged; or a file of descriptions by class name, 'patchgastric' or
            a path (see `cite.anchors.descriptions`).
        text_encoder: What embeds them: `dict(type='TextEncoder', model=…)`, or a model's name. It is
            built, used once and freed; with the embeddings in the cache it is not even built.
        anchors: Ready embeddings instead of an encoder.
        temperature: Logarithm of the scale of the cosines: 4.6052 gives 100, as in the original code.
        learnable_temperature: Whether it trains.
        templates: Sentences with `{}` for the text, one or several, whose anchors are averaged
            (`cite.anchors.ensemble`); 'pair': those of the encoder's pair.

    The anchors are a buffer (classes, dim): saved, moved and broadcast with the model, never trained.
    """

    anchors: Tensor
    dtype = torch.float32  # of anchors and logits

    def __init__(
        self,
        texts: Texts,
        text_encoder: Mapping[str, Any] | str | None = None,
        anchors: Anchors | None = None,
        temperature: float = LOG_SCALE,
        learnable_temperature: bool = False,
        templates: str | Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if anchors is None:
            if text_encoder is None:
                raise ConfigError(
                    f'{type(self).__name__} needs a text_encoder (model.head.text_encoder.model=…)'
                )
            sentences = class_sentences(texts, templates, text_encoder)
            anchors = embed_classes(sentences, text_encoder)
        self.texts = tuple(anchors.texts)
        self.provenance = dict(anchors.provenance)
        self.register_buffer('anchors', anchors.embeddings.to(self.dtype))
        self._names = anchors.names
        self.in_features = self.anchors.shape[1]
        value = torch.tensor([float(temperature)], dtype=self.dtype)
        if learnable_temperature:
            self.temperature = nn.Parameter(value)
        else:
            self.register_buffer('temperature', value)

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        if self._names is not None:
            order = places(self._names, classes)
            self.texts = tuple(self.texts[i] for i in order)
            self.anchors = self.anchors[order]
            self._names = None
        if len(classes) != len(self.texts):
            raise ConfigError(
                f'{type(self).__name__}: one text per class is needed; found {len(self.texts)} texts '
                f'for {len(classes)} classes ({", ".join(classes)})'
            )
        if in_features != self.in_features:
            raise ConfigError(
                f'{type(self).__name__}: the anchors have {self.in_features} numbers '
                f'({self.provenance.get("model", "given")}), the features {in_features}. Put a '
                "ProjectionNeck between them: model.neck=dict(type='ProjectionNeck')"
            )

    def forward(self, features: Tensor) -> Tensor:
        return cosine_logits(features, self.anchors, self.temperature)

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The texts as they were embedded, and no encoder: the anchors are stored."""
        made = ('text_encoder', 'template', 'templates', 'anchors')
        return {**{k: v for k, v in spec.items() if k not in made}, 'texts': list(self.texts)}

    def extra_repr(self) -> str:
        return f'{len(self.texts)} texts of {self.provenance.get("model", "?")}'

    def trained_parameters(self, in_features: int, classes: int) -> int:
        """The temperature, where it trains."""
        return int(isinstance(self.temperature, nn.Parameter))


def cosine_logits(features: Tensor, anchors: Tensor, log_scale: Tensor) -> Tensor:
    """Scaled cosines in the precision of the anchors, under autocast too.

    Args:
        features: (B, D).
        anchors: (classes, D), or (B, classes, D) where every image has its own.
        log_scale: Logarithm of what multiplies the cosines, (1,).

    Returns:
        (B, classes).
    """
    with torch.autocast(features.device.type, enabled=False):
        images = nn.functional.normalize(features.to(anchors.dtype), dim=-1)
        texts = nn.functional.normalize(anchors, dim=-1)
        if texts.ndim == 3:
            return log_scale.exp() * (texts @ images.unsqueeze(-1)).squeeze(-1)
        return log_scale.exp() * images @ texts.T
