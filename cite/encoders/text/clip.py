"""CLIP's own text tower: end-of-text token → projection, in the space of its image features."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cite.encoders.state_file import read_state
from cite.encoders.text.base import TEXT_ENCODERS, FrozenTextEncoder, check_texts
from cite.encoders.text.hub import cached_first, explain_missing, fingerprint, identity
from cite.encoders.text.openai_clip import text_tower
from cite.encoders.text.tower import TextTower, Tokens
from cite.encoders.zoo import find_text_card
from cite.errors import CiteError, ModelError
from cite.tuning.base import TUNINGS, Tuning


@TEXT_ENCODERS.register
class CLIPTextEncoder(FrozenTextEncoder):
    """Text half of a CLIP in Hugging Face layout, or in OpenAI's.

    Args:
        model: Zoo name of the pair ('clip-vit-b16'), hub id, or a folder in Hugging Face layout.
        revision: Commit, tag or branch on the hub.
        weights: File of a whole CLIP in OpenAI's names ('ViT-B-16.pt'); the tokenizer still comes from
            `model`.
    """

    def __init__(
        self, model: str, revision: str | None = None, weights: str | Path | None = None
    ) -> None:
        card = find_text_card(model)
        self.model = model
        self.source = (card.hub if card else None) or model
        self.revision = revision
        self.weights = None if weights is None else Path(weights).expanduser()
        self._loaded: tuple[Any, Any, float] | None = None

    def settings(self) -> dict[str, Any]:
        return {
            'type': type(self).__name__,
            'model': identity(self.source),
            'revision': self.revision,
            'pooling': 'end-of-text token, projected',
            **({} if self.weights is None else {'weights': self.weights.name}),
        }

    def fingerprint(self) -> str | None:
        if self.weights is None:
            return fingerprint(self.source, self.revision)
        if not self.weights.is_file():
            return None  # told when it is read
        return hashlib.sha256(self.weights.read_bytes()).hexdigest()

    def provenance(self) -> dict[str, Any]:
        _, _, scale = self._load()
        return {**self.settings(), 'fingerprint': self.fingerprint(), 'logit_scale': scale}

    def encode_text(self, texts: Sequence[str], batch_size: int = 32) -> Tensor:
        check_texts(texts)  # before minutes go into loading the model
        return self._tower(None).encode_text(texts, batch_size)

    def tower(self, tuning: Mapping[str, Any] | Tuning | None = None) -> TextTower:
        tower = self._tower(TUNINGS.build(tuning) if tuning is not None else None)
        self._loaded = None  # what the tuning does to it is no business of this encoder
        return tower

    def _tower(self, tuning: Tuning | None) -> TextTower:
        tokenizer, model, _ = self._load()
        trunk = _TextHalf(model)
        limit = model.text_model.config.max_position_embeddings
        dim = model.text_projection.out_features
        return TextTower(self.model, tokenizer, trunk, _embedding, dim, limit, tuning)

    def _load(self) -> tuple[Any, Any, float]:
        """Tokenizer, model, logarithm of the scale."""
        if self._loaded is not None:
            return self._loaded
        from transformers import AutoTokenizer, CLIPModel

        revision: Any = {'revision': self.revision} if self.revision else {}

        def load(where: dict[str, Any]) -> tuple[Any, Any]:
            tokenizer = AutoTokenizer.from_pretrained(self.source, **revision, **where)
            if self.weights is not None:
                return tokenizer, None
            return tokenizer, CLIPModel.from_pretrained(
                self.source, **revision, **where, output_loading_info=True, dtype=torch.float32
            )

        try:
            tokenizer, loaded = cached_first(load, self.source, self.revision)
            if self.weights is not None:
                tower, scale = text_tower(read_state(self.weights), str(self.weights))
                self._loaded = tokenizer, tower, scale
                return self._loaded
            model, info = loaded
        except CiteError:
            raise
        except Exception as error:  # transformers raises OSError, ValueError, hub errors, …
            raise ModelError(explain_missing('CLIP text tower', self.source, error, ())) from error
        missing = [key for key in info['missing_keys'] if 'position_ids' not in key]
        if missing:
            raise ModelError(
                f'CLIP text tower {self.source}: its checkpoint lacks {len(missing)} weights '
                f'({", ".join(missing[:5])}); they would be random'
            )
        self._loaded = tokenizer, model.eval(), model.logit_scale.item()
        return self._loaded


class _TextHalf(nn.Module):
    """What of a CLIP computes the embedding of a text."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.text_model = model.text_model
        self.text_projection = model.text_projection

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        output = self.text_model(input_ids=input_ids, attention_mask=attention_mask)
        embedding: Tensor = self.text_projection(output.pooler_output)
        return embedding


def _embedding(output: Tensor, tokens: Tokens) -> Tensor:
    return output
