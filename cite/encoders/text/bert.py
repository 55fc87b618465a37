"""Frozen Hugging Face text encoders: BERT and its relatives, batched, masked, never truncated."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cite.encoders.text import random_bert
from cite.encoders.text.base import TEXT_ENCODERS, FrozenTextEncoder, check_texts
from cite.encoders.text.hub import (
    cached_first,
    explain_missing,
    fingerprint,
    identity,
    quiet,
    read_json,
)
from cite.encoders.text.tower import Pool, TextTower, Tokens
from cite.encoders.zoo import TEXT_CARDS, find_text_card
from cite.errors import ConfigError, ModelError
from cite.tuning.base import TUNINGS, Tuning

logger = logging.getLogger(__name__)


def _pooler(output: Any, tokens: Tokens) -> Tensor:
    """The model's own trained layer on CLS."""
    pooled: Tensor = output.pooler_output
    return pooled


_pooler.uses_pooler = True  # type: ignore[attr-defined]


def _cls(output: Any, tokens: Tokens) -> Tensor:
    first: Tensor = output.last_hidden_state[:, 0]
    return first


def _mean(output: Any, tokens: Tokens) -> Tensor:
    hidden: Tensor = output.last_hidden_state
    weight = tokens['attention_mask'].unsqueeze(-1).to(hidden)
    return (hidden * weight).sum(1) / weight.sum(1)


POOLINGS: dict[str, Pool] = {'pooler_output': _pooler, 'cls': _cls, 'mean': _mean}


@TEXT_ENCODERS.register
class TextEncoder(FrozenTextEncoder):
    """Any BERT-type encoder of the Hugging Face hub or of a local folder.

    Args:
        model: Short name ('biolinkbert-large'), hub id ('michiyasunaga/BioLinkBERT-large') or folder.
        pooling: 'pooler_output', 'cls', 'mean' (over the text's own tokens), or 'auto': what the
            model's authors declare, else its pooler where that was trained, else 'mean'.
        revision: Commit, tag or branch on the hub.
        max_length: Longest text in tokens; default: what the model takes. Longer texts are an error.
        trust_remote_code: Lets the hub's own Python code run. Off unless you set it.
        pretrained: False takes the architecture and the tokenizer, and random weights from a fixed seed,
            for what is to be trained from nothing.
    """

    def __init__(
        self,
        model: str,
        pooling: str = 'auto',
        revision: str | None = None,
        max_length: int | None = None,
        trust_remote_code: bool = False,
        pretrained: bool = True,
    ) -> None:
        if pooling not in (*POOLINGS, 'auto'):
            raise ConfigError(
                f'pooling must be one of {", ".join(POOLINGS)} or auto, found {pooling!r}'
            )
        card = find_text_card(model)
        self.model = model
        self.source = str(card.hub or card.folder or model) if card else model
        self.pooling = pooling
        self.revision = revision
        self.max_length = max_length
        self.trust_remote_code = trust_remote_code
        self.pretrained = pretrained
        self._declared = card.pooling if card else None
        self._packed = card is not None and card.folder is not None
        self._loaded: tuple[Any, Any, str] | None = None

    def settings(self) -> dict[str, Any]:
        return {
            'type': type(self).__name__,
            # what comes with the library is called by its name, wherever that is installed
            'model': self.model if self._packed else identity(self.source),
            'revision': self.revision,
            'pooling': self.pooling,
            **({} if self.pretrained else {'pretrained': False}),
        }

    def fingerprint(self) -> str | None:
        if self.source == random_bert.NAME or not self.pretrained:
            return f'seed {random_bert.SEED}'
        return fingerprint(self.source, self.revision)

    def provenance(self) -> dict[str, Any]:
        _, _, pooling = self._load()
        return {**self.settings(), 'pooling': pooling, 'fingerprint': self.fingerprint()}

    def encode_text(self, texts: Sequence[str], batch_size: int = 32) -> Tensor:
        check_texts(texts)  # before minutes go into loading the model
        return self._tower(None).encode_text(texts, batch_size)

    def tower(self, tuning: Mapping[str, Any] | Tuning | None = None) -> TextTower:
        tower = self._tower(TUNINGS.build(tuning) if tuning is not None else None)
        self._loaded = None  # what the tuning does to it is no business of this encoder
        return tower

    def _tower(self, tuning: Tuning | None) -> TextTower:
        tokenizer, model, pooling = self._load()
        limit = self._limit(tokenizer, model)
        return TextTower(
            self.model,
            tokenizer,
            model,
            POOLINGS[pooling],
            model.config.hidden_size,
            limit,
            tuning,
        )

    def _load(self) -> tuple[Any, Any, str]:
        if self._loaded is None:
            if self.source == random_bert.NAME:
                tokenizer, model = random_bert.build()
                missing: list[str] = []
            else:
                tokenizer, model, missing = self._from_pretrained()
            self._loaded = tokenizer, model, self._settle_pooling(model, missing)
        return self._loaded

    def _from_pretrained(self) -> tuple[Any, Any, list[str]]:
        from transformers import AutoConfig, AutoModel, AutoTokenizer

        options: Any = {'trust_remote_code': self.trust_remote_code}
        if self.revision:
            options['revision'] = self.revision

        def load(where: dict[str, Any]) -> tuple[Any, Any]:
            tokenizer = AutoTokenizer.from_pretrained(self.source, **options, **where)
            if not self.pretrained:
                config = AutoConfig.from_pretrained(self.source, **options, **where)
                with torch.random.fork_rng(devices=[]):
                    torch.manual_seed(random_bert.SEED)
                    model = AutoModel.from_config(config, dtype=torch.float32)
                return tokenizer, (model, {'missing_keys': ['pooler']})
            return tokenizer, AutoModel.from_pretrained(
                self.source, **options, **where, output_loading_info=True, dtype=torch.float32
            )

        try:
            with quiet():
                tokenizer, (model, info) = cached_first(load, self.source, self.revision)
        except Exception as error:  # transformers raises OSError, ValueError, hub errors, …
            raise ModelError(
                explain_missing('text encoder', self.source, error, TEXT_CARDS)
            ) from error
        if getattr(model.config, 'is_encoder_decoder', False):
            raise ModelError(
                f'text encoder {self.source} is an encoder-decoder ({type(model).__name__}); expected '
                'an encoder of BERT type'
            )
        missing = [key for key in info['missing_keys'] if 'position_ids' not in key]
        random_layers = [key for key in missing if 'pooler' not in key]
        if random_layers:
            raise ModelError(
                f'text encoder {self.source}: its checkpoint lacks {len(random_layers)} weights of '
                f'{type(model).__name__} ({", ".join(random_layers[:5])}); they would be random. '
                'Use a checkpoint of the whole encoder'
            )
        if self.pretrained and any('pooler' in key for key in missing):
            model.pooler = None  # transformers fills it with random numbers, other ones each time
        return tokenizer, model.eval(), missing

    def _settle_pooling(self, model: Any, missing: list[str]) -> str:
        """Which pooling is used; refuses a pooler whose weights the checkpoint does not hold."""
        has_pooler = getattr(model, 'pooler', None) is not None and not any(
            'pooler' in key for key in missing
        )
        if self.pooling == 'pooler_output' and not has_pooler:
            raise ModelError(
                f"text encoder {self.source}: pooling='pooler_output' needs a trained pooler, but the "
                "checkpoint holds no pooler weights (they would be random). Use pooling='cls' or 'mean'"
            )
        if self.pooling != 'auto':
            return self.pooling
        declared = self._declared or self._sentence_transformer_pooling()
        if declared and (declared != 'pooler_output' or has_pooler):
            return declared
        return 'pooler_output' if has_pooler else 'mean'

    def _sentence_transformer_pooling(self) -> str | None:
        """sentence-transformers models say how they pool in a file of their own."""
        if self.source == random_bert.NAME:
            return None
        config = read_json(self.source, '1_Pooling/config.json', self.revision)
        modes = [
            name.removeprefix('pooling_mode_')
            for name, on in config.items()
            if name.startswith('pooling_mode_') and on is True
        ]
        if not modes:
            return None
        known = {'mean_tokens': 'mean', 'cls_token': 'cls'}
        if len(modes) > 1 or modes[0] not in known:
            raise ModelError(
                f'text encoder {self.source}: its authors pool by {" and ".join(modes)}, which is not '
                f'known here. Set pooling to one of {", ".join(POOLINGS)}'
            )
        return known[modes[0]]

    def _limit(self, tokenizer: Any, model: Any) -> int:
        """Longest text in tokens: asked for, of the tokenizer, of the position embeddings."""
        positions = getattr(getattr(model, 'embeddings', None), 'position_embeddings', None)
        limits = [self.max_length, tokenizer.model_max_length]
        if isinstance(positions, torch.nn.Embedding):
            # RoBERTa and its kin count positions from behind that of padding
            padding = positions.padding_idx
            limits.append(positions.num_embeddings - (0 if padding is None else padding + 1))
        return min(limit for limit in limits if limit)
