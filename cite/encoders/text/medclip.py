"""MedCLIP's text half: Bio_ClinicalBERT, the mean over three of its layers and all tokens, projected."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from cite.encoders.sources import ResolvedWeights, resolve_weights
from cite.encoders.state_file import read_state
from cite.encoders.text.base import TEXT_ENCODERS, FrozenTextEncoder, check_texts
from cite.encoders.text.bert import POOLINGS
from cite.encoders.text.hub import cached_first, explain_missing, identity, quiet
from cite.encoders.text.medclip_bert import MedCLIPBert, text_half
from cite.encoders.text.tower import TextTower
from cite.encoders.zoo import TEXT_CARDS
from cite.errors import CiteError, ConfigError, ModelError
from cite.tuning.base import TUNINGS, Tuning

TOKENIZER = 'emilyalsentzer/Bio_ClinicalBERT'
LIMIT = 77
"""Longest text in tokens, of the authors' processor."""
_CHUNK = 1 << 24


@TEXT_ENCODERS.register
class MedCLIPTextEncoder(FrozenTextEncoder):
    """Text half of a MedCLIP (Wang et al., EMNLP 2022), from the one file that holds both.

    The authors' mean counts padding, so that a vector depends on the texts encoded beside it. Here
    each text gets what the authors' code makes of it alone.

    Args:
        model: Zoo name of the pair ('medclip-vit').
        weights: The file, or a folder with it; by default where the pair's image half finds it.
        tokenizer: Hub id or folder of the tokenizer.
        revision: Commit, tag or branch of the tokenizer on the hub.

    Raises:
        ConfigError: No such pair in the zoo.
    """

    def __init__(
        self,
        model: str,
        weights: str | Path | None = None,
        tokenizer: str = TOKENIZER,
        revision: str | None = None,
    ) -> None:
        if model not in TEXT_CARDS:
            raise ConfigError(
                f'MedCLIPTextEncoder takes a zoo name such as medclip-vit, found {model!r}; give '
                'weights=<path> beside it for a file of your own'
            )
        self.model = model
        self.weights = weights
        self.tokenizer = tokenizer
        self.revision = revision
        self._loaded: tuple[Any, MedCLIPBert, float] | None = None

    def settings(self) -> dict[str, Any]:
        return {
            'type': type(self).__name__,
            'model': self.model,
            'tokenizer': identity(self.tokenizer),
            'revision': self.revision,
            'pooling': 'mean of layers 1, 2 and last, projected',
            **({} if self.weights is None else {'weights': Path(self.weights).name}),
        }

    def fingerprint(self) -> str | None:
        try:
            path = self._find().path
        except ModelError:
            return None  # told when it is read
        sha = hashlib.sha256()
        with path.open('rb') as file:
            while chunk := file.read(_CHUNK):
                sha.update(chunk)
        return sha.hexdigest()

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
        tokenizer, trunk, _ = self._load()
        dim = trunk.projection_head.out_features
        limit = min(LIMIT, trunk.model.config.max_position_embeddings)
        return TextTower(self.model, tokenizer, trunk, POOLINGS['mean'], dim, limit, tuning)

    def _find(self) -> ResolvedWeights:
        return resolve_weights(TEXT_CARDS[self.model], self.weights)

    def _load(self) -> tuple[Any, MedCLIPBert, float]:
        """Tokenizer, model, logarithm of the scale."""
        if self._loaded is None:
            path = self._find().path
            trunk, scale = text_half(read_state(path), str(path))
            self._loaded = self._load_tokenizer(), trunk, scale
        return self._loaded

    def _load_tokenizer(self) -> Any:
        from transformers import AutoTokenizer

        revision: Any = {'revision': self.revision} if self.revision else {}

        def load(where: dict[str, Any]) -> Any:
            return AutoTokenizer.from_pretrained(self.tokenizer, **revision, **where)

        try:
            with quiet():
                return cached_first(load, self.tokenizer, self.revision)
        except CiteError:
            raise
        except Exception as error:  # transformers raises OSError, ValueError, hub errors, …
            raise ModelError(
                explain_missing('the tokenizer of MedCLIP', self.tokenizer, error, ())
            ) from error
