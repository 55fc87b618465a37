"""Frozen Hugging Face text encoders: BERT and its relatives, decoders, T5; batched, masked, never cut."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from cite.encoders.text import random_bert
from cite.encoders.text.base import TEXT_ENCODERS, FrozenTextEncoder, check_texts
from cite.encoders.text.hf_model import HFModel, is_large, load_hf
from cite.encoders.text.hub import fingerprint, identity, read_json, source_of
from cite.encoders.text.pooling import POOLINGS
from cite.encoders.text.tower import TextTower
from cite.encoders.zoo import find_text_card
from cite.errors import ConfigError, ModelError
from cite.precision import PRECISIONS
from cite.tuning.base import Tuning
from cite.tuning.several import build_tuning

T5_LIMIT = 512
"""Tokens that T5s were trained on; their relative positions would take more."""


@TEXT_ENCODERS.register
class TextEncoder(FrozenTextEncoder):
    """Any text model of the Hugging Face hub or of a local folder that gives features of texts.

    Encoders of BERT type, decoders (BioGPT, LLaMA), and the encoder of a T5. Models over a billion
    parameters are loaded in half precision, on the GPU where there is one, and freed once they have
    encoded.

    Args:
        model: Short name ('biolinkbert-large'), hub id ('michiyasunaga/BioLinkBERT-large') or folder.
        pooling: 'pooler_output', 'cls', 'mean' (over the text's own tokens), 'last' (the text's last token,
            for decoders), or 'auto': what the zoo or the model's authors say, else its pooler where that
            was trained, else 'mean'.
        revision: Commit, tag or branch on the hub.
        max_length: Longest text in tokens; default: what the model takes. Longer texts are an error.
        trust_remote_code: Lets the hub's own Python code run. Off unless you set it.
        pretrained: False takes the architecture and the tokenizer, and random weights from a fixed seed,
            for what is to be trained from nothing.
        precision: Of the weights: 'fp32', 'bf16', 'fp16', or 'auto': float32 up to a billion parameters.
            Vectors are float32 in any case.
        leftovers: Patterns of names ('my_head.*') of what the checkpoint may hold besides; the usual
            heads are known, anything else is an error.
    """

    def __init__(
        self,
        model: str,
        pooling: str = 'auto',
        revision: str | None = None,
        max_length: int | None = None,
        trust_remote_code: bool = False,
        pretrained: bool = True,
        precision: str = 'auto',
        leftovers: Sequence[str] = (),
    ) -> None:
        for name, found, known in (
            ('pooling', pooling, POOLINGS),
            ('precision', precision, PRECISIONS),
        ):
            if found not in (*known, 'auto'):
                raise ConfigError(
                    f'{name} must be one of {", ".join(known)} or auto, found {found!r}'
                )
        card = find_text_card(model)
        self.model = model
        self.source = source_of(card, revision) if card else model
        self.pooling = pooling
        self.revision = revision
        self.max_length = max_length
        self.trust_remote_code = trust_remote_code
        self.pretrained = pretrained
        self.precision = precision
        self.leftovers = tuple(leftovers)
        self._card = card
        # a model of the zoo is called the same wherever its files lie
        self._called = (card.hub or card.name) if card else None
        self._loaded: HFModel | None = None
        self._settled: dict[str, str] = {}

    def settings(self) -> dict[str, Any]:
        return {
            'type': type(self).__name__,
            'model': self._called or identity(self.source),
            'revision': self.revision,
            'pooling': self.pooling,
            **({} if self.pretrained else {'pretrained': False}),
            **({} if self.precision == 'auto' else {'precision': self.precision}),
        }

    def fingerprint(self) -> str | None:
        if self.source == random_bert.NAME or not self.pretrained:
            return f'seed {random_bert.SEED}'
        return fingerprint(self.source, self.revision)

    def provenance(self) -> dict[str, Any]:
        if not self._settled:
            self._load()
        return {**self.settings(), **self._settled, 'fingerprint': self.fingerprint()}

    def encode_text(self, texts: Sequence[str], batch_size: int = 32) -> Tensor:
        check_texts(texts)  # before minutes go into loading the model
        tower = self._tower(None)
        try:
            return tower.encode_text(texts, batch_size)
        finally:
            if is_large(tower.trunk):
                self._loaded = None
                del tower
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()

    def tower(self, tuning: Mapping[str, Any] | Tuning | None = None) -> TextTower:
        tower = self._tower(build_tuning(tuning))
        self._loaded = None  # what the tuning does to it is no business of this encoder
        return tower

    def _tower(self, tuning: Tuning | None) -> TextTower:
        loaded = self._load()
        return TextTower(
            self.model,
            loaded.tokenizer,
            loaded.model,
            POOLINGS[self._settled['pooling']],
            loaded.model.config.hidden_size,
            self._limit(loaded.tokenizer, loaded.model),
            tuning,
        )

    def _load(self) -> HFModel:
        if self._loaded is None:
            if self.source == random_bert.NAME:
                self._loaded = HFModel(*random_bert.build(), has_pooler=True, precision='fp32')
            else:
                self._check_at_hand()
                self._loaded = load_hf(
                    self.source,
                    self.revision,
                    self.trust_remote_code,
                    self.pretrained,
                    self.precision,
                    self.leftovers,
                )
            self._settled = {
                'pooling': self._settle_pooling(self._loaded.has_pooler),
                'precision': self._loaded.precision,
            }
        return self._loaded

    def _check_at_hand(self) -> None:
        """Says how to get a model that is on no hub."""
        card = self._card
        if card and card.source and card.source.repo is None and self.source == card.name:
            raise ModelError(
                f'text encoder {card.name} is on no hub: {card.source.how}. Put its folder (config.json, '
                f'weights, tokenizer) into the folder that CITE_WEIGHTS names, as {card.name}/, or give '
                'its path as model'
            )

    def _settle_pooling(self, has_pooler: bool) -> str:
        """Which pooling is used; refuses a pooler whose weights the checkpoint does not hold."""
        if self.pooling == 'pooler_output' and not has_pooler:
            raise ModelError(
                f"text encoder {self.source}: pooling='pooler_output' needs a trained pooler, but the "
                "checkpoint holds no pooler weights (they would be random). Use pooling='cls' or 'mean'"
            )
        if self.pooling != 'auto':
            return self.pooling
        declared = (self._card and self._card.pooling) or self._sentence_transformer_pooling()
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
        """Longest text in tokens: asked for, of the tokenizer, of the positions."""
        positions = getattr(getattr(model, 'embeddings', None), 'position_embeddings', None)
        limits = [self.max_length, tokenizer.model_max_length]
        if isinstance(positions, torch.nn.Embedding):
            # RoBERTa and its kin count positions from behind that of padding
            padding = positions.padding_idx
            limits.append(positions.num_embeddings - (0 if padding is None else padding + 1))
        elif model.config.model_type == 't5':
            limits.append(T5_LIMIT)
        else:
            limits.append(getattr(model.config, 'max_position_embeddings', None))
        return min(limit for limit in limits if limit)
