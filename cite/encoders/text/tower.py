"""A text encoder as a module: what `VisionTower` is for images, for training on pairs.

A `FrozenTextEncoder` turns the texts of classes into anchors, once. Where captions are trained on, the
text model takes part in every step, frozen or with a tuning, and is one of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cite.encoders.text.base import check_lengths, check_texts
from cite.frozen import digest, freeze, hide_frozen, trainable
from cite.tuning.base import NoTuning, Tuning

Tokens = dict[str, Tensor]
"""What a tokenizer makes of B texts: `input_ids` and `attention_mask`, (B, L) each."""
Pool = Callable[[Any, Tokens], Tensor]
"""A model's output and its tokens → features (B, D)."""


class TextTower(nn.Module):
    """A frozen text model with the little that tunes it.

    Args:
        name: Of the model, for messages and records.
        tokenizer: Hugging Face tokenizer.
        trunk: Hugging Face model, weights loaded; it is called with the tokens.
        pool: Its output → one vector per text.
        feature_dim: Length of that vector.
        limit: Longest text in tokens.
        tuning: What trains inside; `NoTuning` by default.

    The trunk is frozen and stays in eval mode, except under a tuning that trains all of it. State dicts
    hold what trains only.
    """

    def __init__(
        self,
        name: str,
        tokenizer: Any,
        trunk: nn.Module,
        pool: Pool,
        feature_dim: int,
        limit: int,
        tuning: Tuning | None = None,
    ) -> None:
        super().__init__()
        self.name = name
        self.tokenizer = tokenizer
        self.trunk = trunk
        freeze(trunk)
        self.pool = pool
        self.feature_dim = feature_dim
        self.limit = limit
        self.tuning = tuning or NoTuning()
        self.tuning.attach(self)
        self._digest = self.frozen_digest() if trainable(trunk) else None
        hide_frozen(self, 'trunk')
        self.train(self.training)

    @property
    def digest(self) -> str:
        """SHA-256 of the weights that the tower was loaded with."""
        if self._digest is None:
            self._digest = self.frozen_digest()
        return self._digest

    def frozen_digest(self) -> str:
        """SHA-256 of the trunk's own weights as they are now."""
        return digest(self.tuning.own_weights(self.trunk.state_dict().items()))

    def unfreeze(self) -> None:
        """Lets the whole trunk train, but for a pooler that the feature does not pass through."""
        self.trunk.requires_grad_(True)
        pooler = getattr(self.trunk, 'pooler', None)
        if pooler is not None and not getattr(self.pool, 'uses_pooler', False):
            pooler.requires_grad_(False)

    def tokenize(self, texts: Sequence[str], truncate: bool = False) -> Tokens:
        """Texts → tokens on the tower's device, padded to the longest.

        Args:
            truncate: Cut texts that are too long at `limit` tokens; they are refused otherwise.

        Raises:
            ConfigError: No list of texts, an empty text, or one longer than `limit` tokens.
        """
        check_texts(texts)
        tokens = self._tokens(texts, truncate)
        if tokens['input_ids'].shape[1] > self.limit:
            check_lengths(self.name, self.tokenizer, self.limit, texts)  # tells which
        return tokens

    def _tokens(self, texts: Sequence[str], truncate: bool) -> Tokens:
        cut = {'truncation': True, 'max_length': self.limit} if truncate else {}
        batch = self.tokenizer(list(texts), padding=True, return_tensors='pt', **cut)
        device = next(self.trunk.parameters()).device
        return {key: value.to(device) for key, value in batch.items()}

    def forward(self, tokens: Mapping[str, Tensor]) -> Tensor:
        """Tokens of B texts → features (B, feature_dim), not normalised."""
        trains = self.tuning.first_stage is not None
        with torch.set_grad_enabled(torch.is_grad_enabled() and trains):
            inputs = self.tuning.before_text(dict(tokens))
            output = self.tuning.after_text(self.trunk(**inputs))
            return self.pool(output, dict(tokens))

    @torch.inference_mode()
    def encode_text(
        self, texts: Sequence[str], batch_size: int = 32, truncate: bool = False
    ) -> Tensor:
        """Texts → float32 vectors (N, feature_dim), on the CPU.

        Raises:
            ConfigError: As `tokenize`, before anything is computed.
        """
        check_texts(texts)
        if not truncate:
            check_lengths(self.name, self.tokenizer, self.limit, texts)
        was_training = self.training
        self.eval()
        try:
            vectors = [
                self(self._tokens(texts[start : start + batch_size], truncate)).float().cpu()
                for start in range(0, len(texts), batch_size)
            ]
        finally:
            self.train(was_training)
        return torch.cat(vectors).clone()

    def train(self, mode: bool = True) -> TextTower:
        """Training mode for the tuning; the trunk follows as far as the tuning lets it."""
        super().train(mode)
        self.tuning.set_mode(self.trunk, mode)
        return self
