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
from cite.encoders.text.hub import quiet
from cite.encoders.tuned import TunedTower, evaluating
from cite.errors import ModelError
from cite.tuning.base import Tuning

Tokens = dict[str, Tensor]
"""What a tokenizer makes of B texts: `input_ids` and `attention_mask`, (B, L) each."""
Pool = Callable[[Any, Tokens], Tensor]
"""A model's output and its tokens → features (B, D)."""


class TextTower(TunedTower):
    """A frozen text model with the little that tunes it.

    Args:
        name: Of the model, for messages and records.
        tokenizer: Hugging Face tokenizer.
        trunk: Hugging Face model, weights loaded; it is called with the tokens.
        pool: Its output → one vector per text.
        feature_dim: Length of that vector.
        limit: Longest text in tokens.
        tuning: What trains inside; `NoTuning` by default.
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
        self.pool = pool
        self.feature_dim = feature_dim
        self.limit = limit
        self.tune(tuning)

    def untouched(self) -> list[nn.Parameter]:
        """A pooler that the feature does not pass through."""
        pooler = getattr(self.trunk, 'pooler', None)
        if pooler is None or getattr(self.pool, 'uses_pooler', False):
            return []
        return list(pooler.parameters())

    def tokenize(self, texts: Sequence[str], truncate: bool = False) -> Tokens:
        """Texts → tokens on the tower's device, padded to the longest.

        Args:
            truncate: Cut texts that are too long at `limit` tokens; they are refused otherwise.

        Raises:
            ConfigError: No list of texts, an empty text, or one longer than `limit` tokens.
        """
        check_texts(texts)
        with quiet():  # transformers tells of long texts in words of its own
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

    @property
    def words(self) -> nn.Embedding:
        """The model's table of token embeddings."""
        table: nn.Embedding = self.trunk.get_input_embeddings()  # type: ignore[operator]
        return table

    def with_words(
        self, tokens: Mapping[str, Tensor], change: Callable[[Tensor], Tensor]
    ) -> Tensor:
        """As `forward` of a tower that nothing tunes, on other token embeddings, with their gradients.

        Args:
            tokens: Of B texts.
            change: The embeddings of the tokens (B, L, width) → those that the model goes on with.

        Raises:
            ModelError: A model that does not look its tokens up in its table once.
        """
        looked_up = []

        def changed(_layer: nn.Module, _ids: Any, embedded: Tensor) -> Tensor:
            looked_up.append(embedded.shape)
            return change(embedded)

        # a T5 looks up in another layer than it names, of the same weights
        tables = [
            layer
            for layer in self.trunk.modules()
            if isinstance(layer, nn.Embedding) and layer.weight is self.words.weight
        ]
        hooks = [table.register_forward_hook(changed) for table in tables]
        try:
            features = self.pool(self.trunk(**tokens), dict(tokens))
        finally:
            for hook in hooks:
                hook.remove()
        if len(looked_up) != 1:
            raise ModelError(
                f'text encoder {self.name} looks its tokens up {len(looked_up)} times, expected once: '
                'words cannot be learned in it'
            )
        return features

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
        with evaluating(self):
            vectors = [
                self(self._tokens(texts[start : start + batch_size], truncate)).float().cpu()
                for start in range(0, len(texts), batch_size)
            ]
        return torch.cat(vectors).clone()
