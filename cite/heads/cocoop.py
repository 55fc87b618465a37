"""CoCoOp (Zhou et al., CVPR 2022): the learned words shift with each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from cite.encoders.text.base import PLAIN_OPTIONS
from cite.errors import ConfigError
from cite.heads.base import HEADS
from cite.heads.learned_context import LearnedContext
from cite.heads.text_embedding import cosine_logits

SQUEEZE = 16
"""By how much the network between image and words is narrower than the features."""


@HEADS.register
class CoCoOpHead(LearnedContext):
    """As `CoOpHead`, with a vector added to the learned ones that a small network makes of each image.

    Every image has class embeddings of its own, so that the text tower runs on batch × classes sentences,
    in evaluation too. The network is linear, ReLU, linear, features / 16 wide; it sees the features at unit
    length.

    Args:
        text_encoder, names, length, init: See `LearnedContext`. The vectors are the same for all classes.
        texts_at_once: Most sentences in one pass of the text tower (of one image they stay together). Where
            a batch has more, training keeps one pass in memory and computes the others again on the way
            back.

    An adapter of it names the text encoder, which is loaded by that name and must be the same to the bit;
    weights or a tokenizer given by path are looked for by the model's name then.

    Raises:
        ConfigError: As `CoOpHead`; `trust_remote_code`, since an adapter must load without foreign code; or
            an encoder that is no spec.
        ModelError: The text encoder cannot be had.
    """

    paper = 'CoCoOp: Zhou et al., CVPR 2022'
    needs_text_encoder = True

    meta_net: nn.Sequential

    def __init__(
        self,
        text_encoder: Mapping[str, Any] | str | None = None,
        names: Sequence[str] | None = None,
        length: int | None = None,
        init: str | None = None,
        texts_at_once: int = 256,
    ) -> None:
        if not isinstance(texts_at_once, int) or texts_at_once < 1:
            raise ConfigError(
                'CoCoOpHead: texts_at_once must be a whole number of at least 1, found '
                f'{texts_at_once!r}'
            )
        if text_encoder is not None and not isinstance(text_encoder, str | Mapping):
            raise ConfigError(
                'CoCoOpHead: text_encoder must be a spec or a name, which an adapter can repeat; found '
                f'{type(text_encoder).__name__}'
            )
        if isinstance(text_encoder, Mapping) and text_encoder.get('trust_remote_code'):
            raise ConfigError(
                'CoCoOpHead: an adapter of it loads its text encoder, and runs no foreign code: '
                'trust_remote_code cannot be set. Take another encoder, or CoOpHead'
            )
        super().__init__(text_encoder, names, length, init)
        self.texts_at_once = texts_at_once

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        super().attach(in_features, classes)
        inner = hidden(in_features)
        self.meta_net = nn.Sequential(
            nn.Linear(in_features, inner), nn.ReLU(), nn.Linear(inner, self.width)
        )

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            shifts = self.meta_net(nn.functional.normalize(features.float(), dim=-1))
        parts = shifts.split(max(1, self.texts_at_once // len(self.sentences)))
        again = len(parts) > 1 and torch.is_grad_enabled()
        embeddings = [
            checkpoint(self._embeddings, part, use_reentrant=False, preserve_rng_state=False)
            if again
            else self._embeddings(part)
            for part in parts
        ]
        return cosine_logits(features, torch.cat(embeddings), self.temperature)

    def _embeddings(self, shifts: Tensor) -> Tensor:
        """What is added to the vectors for each image (B, width) → (B, classes, in_features), float32."""
        context = self.per_class() + shifts[:, None, None]
        found: Tensor = self.prompted(self.tower, context)
        return found.float()

    def trained_parameters(self, in_features: int, classes: int) -> int:
        """The vectors, and the two layers with their biases."""
        inner = hidden(in_features)
        layers = (in_features + 1) * inner + (inner + 1) * self.width
        return super().trained_parameters(in_features, classes) + layers

    def stored_as(self, spec: dict[str, Any]) -> dict[str, Any]:
        """The text encoder by what names it; no path of this machine."""
        encoder = spec['text_encoder']
        named = {'model': encoder} if isinstance(encoder, str) else dict(encoder)
        return {**spec, 'text_encoder': {k: v for k, v in named.items() if k in PLAIN_OPTIONS}}


def hidden(in_features: int) -> int:
    """Width of the network between image and words."""
    return max(1, in_features // SQUEEZE)
