"""CoOp (Zhou et al., IJCV 2022): the words around the class names are learned, the towers stay frozen."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cite.anchors import Anchors
from cite.heads.base import HEADS, Head
from cite.heads.learned_context import LearnedContext
from cite.heads.text_embedding import TextEmbeddingHead, cosine_logits


@HEADS.register
class CoOpHead(LearnedContext):
    """Cosine similarity to the class names behind learned vectors, times the pair's logit scale.

    Args:
        text_encoder, names, length, init, class_specific: See `LearnedContext`.

    In eval mode the class embeddings are computed once. An adapter holds them as anchors, so that it needs
    no text encoder.

    Raises:
        ConfigError: No text encoder, names that do not go with the classes, or too many vectors.
        ModelError: The text encoder cannot be had.
    """

    paper = 'CoOp: Zhou et al., IJCV 2022'

    _known: tuple[Any, Tensor] | None = None

    def embeddings(self) -> Tensor:
        """One vector per class (classes, in_features), in float32 under autocast too."""
        with torch.autocast(self.context.device.type, enabled=False):
            found: Tensor = self.prompted(self.tower, self.per_class())
            return found.float()

    def forward(self, features: Tensor) -> Tensor:
        return cosine_logits(features, self._embeddings(), self.temperature)

    def _embeddings(self) -> Tensor:
        if self.training or torch.is_grad_enabled():
            return self.embeddings()
        now = (id(self.context), self.context._version, self.context.device)
        if self._known is None or self._known[0] != now:
            self._known = now, self.embeddings()
        return self._known[1]

    def train(self, mode: bool = True) -> CoOpHead:
        self._known = None
        super().train(mode)
        return self

    @torch.no_grad()
    def frozen_form(self) -> Head:
        """A head on the learned class embeddings, which needs no text encoder."""
        about = {'length': self.length, 'init': self.init, 'class_specific': self.class_specific}
        anchors = Anchors(
            self.embeddings().cpu(), self.sentences, {**self.provenance, 'learned': about}
        )
        return _Learned(self.sentences, anchors=anchors, temperature=self.temperature.item())


class _Learned(TextEmbeddingHead):
    """What an adapter stores of a `CoOpHead`: a plain `TextEmbeddingHead`."""

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        return {'type': TextEmbeddingHead.__name__, 'texts': list(self.texts)}
