"""A BERT inside the file of a pair, with what projects it into the common space.

BiomedCLIP, QuiltNet-PMB and UniMed-CLIP hold a BERT without its pooler and a projection without biases;
KEEP holds a BERT with its pooler and no projection.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cite.encoders.checkpoints.renaming import rename
from cite.encoders.checkpoints.strict import load_strict
from cite.encoders.files.state_file import read_state
from cite.encoders.text.base import TEXT_ENCODERS
from cite.encoders.text.bert import POOLINGS
from cite.encoders.text.paired import PairedTextEncoder
from cite.encoders.text.sizes import HEAD_WIDTH
from cite.encoders.text.tower import TextTower, Tokens
from cite.errors import CheckpointError, ConfigError
from cite.tuning.base import Tuning

_WORDS = 'embeddings.word_embeddings.weight'
_RENAMES = ((r'LayerNorm\.gamma$', 'LayerNorm.weight'), (r'LayerNorm\.beta$', 'LayerNorm.bias'))


@TEXT_ENCODERS.register
class ProjectedTextEncoder(PairedTextEncoder):
    """Text half of a pair whose text model is a BERT.

    Sizes and projection (two linear layers with a GELU between, one, or none) are read off the weights.

    Args:
        model: Zoo name of the pair ('biomedclip'), hub id, or a local folder or file.
        revision: Commit, tag or branch on the hub.
        weights: File of the pair, or a folder with one.
        tokenizer: Hub id or folder of the BERT's tokenizer.
        pooling: 'cls', 'mean' or 'pooler_output', in front of the projection; default: the zoo's, or 'cls'.
        max_length: Longest text in tokens.
        prefix: What stands before the names of the text half ('text.'); default: found out.
    """

    def __init__(
        self,
        model: str,
        revision: str | None = None,
        weights: str | Path | None = None,
        tokenizer: str | None = None,
        pooling: str | None = None,
        max_length: int = 256,
        prefix: str | None = None,
    ) -> None:
        super().__init__(model, revision, weights, tokenizer)
        pooling = pooling or (self.card.pooling if self.card else None) or 'cls'
        if pooling not in POOLINGS:
            raise ConfigError(f'pooling must be one of {", ".join(POOLINGS)}, found {pooling!r}')
        self.pooling = pooling
        self.max_length = max_length
        self.prefix = prefix

    def _tower(self, tuning: Tuning | None) -> TextTower:
        tokenizer, model, _ = self._load()
        positions = model.transformer.config.max_position_embeddings
        limit = min(self.max_length, tokenizer.model_max_length, positions)
        return TextTower(self.model, tokenizer, model, model.pool, model.dim, limit, tuning)

    def _read(self, path: Path) -> tuple[Any, float]:
        state = read_state(path)
        if 'logit_scale' not in state:
            raise CheckpointError(f'{path} holds no pair: no logit_scale')
        model = projected_bert(state, str(path), self.pooling, self.prefix)
        return model, float(state['logit_scale'])


class ProjectedBert(nn.Module):
    """A BERT and its projection, under the names of open_clip: `transformer` and `proj`."""

    def __init__(self, transformer: Any, proj: nn.Module, pooling: str, dim: int) -> None:
        super().__init__()
        self.transformer = transformer
        self.proj = proj
        self.pooling = pooling
        self.dim = dim

    def get_input_embeddings(self) -> nn.Module:
        """The table of token embeddings; prompts are put beside what it gives."""
        table: nn.Module = self.transformer.get_input_embeddings()
        return table

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
    ) -> Any:
        return self.transformer(
            input_ids=input_ids,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            inputs_embeds=inputs_embeds,
        )

    def pool(self, output: Any, tokens: Tokens) -> Tensor:
        """The BERT's output → (B, dim)."""
        embedding: Tensor = self.proj(POOLINGS[self.pooling](output, tokens))
        return embedding


def projected_bert(
    state: Mapping[str, Tensor], what: str, pooling: str = 'cls', prefix: str | None = None
) -> ProjectedBert:
    """The text half of a pair's state dict, in eval mode.

    Args:
        state: Of the pair; what does not begin with the prefix is ignored.
        what: Names the weights in the error.
        pooling: The BERT's pooler is built for 'pooler_output' only.
        prefix: See `ProjectedTextEncoder`.

    Raises:
        CheckpointError: No BERT in it, or a weight that is missing, unexpected or of another shape.
    """
    from transformers import BertConfig, BertModel

    text = _text_half(state, what, prefix)
    if pooling != 'pooler_output':
        text = {k: v for k, v in text.items() if not k.startswith('transformer.pooler.')}
    bert = 'transformer.'
    words = text[f'{bert}{_WORDS}']
    if words.ndim != 2 or words.shape[1] < HEAD_WIDTH:
        raise CheckpointError(f'{what}: token embeddings of shape {tuple(words.shape)} are no BERT')
    width = words.shape[1]
    layers = re.compile(r'transformer\.encoder\.layer\.(\d+)\.')
    config = BertConfig(
        vocab_size=words.shape[0],
        hidden_size=width,
        num_hidden_layers=len({match[1] for key in text if (match := layers.match(key))}),
        num_attention_heads=width // HEAD_WIDTH,
        intermediate_size=_rows(text, f'{bert}encoder.layer.0.intermediate.dense.bias', 4 * width),
        max_position_embeddings=_rows(text, f'{bert}embeddings.position_embeddings.weight', 512),
        type_vocab_size=_rows(text, f'{bert}embeddings.token_type_embeddings.weight', 2),
    )
    with torch.random.fork_rng(devices=[]):
        transformer = BertModel(config, add_pooling_layer=pooling == 'pooler_output')
        proj, dim = _projection(text, width)
    model = ProjectedBert(transformer, proj, pooling, dim).eval()
    load_strict(model, text, what)
    return model


def _text_half(state: Mapping[str, Tensor], what: str, prefix: str | None) -> dict[str, Tensor]:
    """Its weights as float32, under `transformer.` and `proj.`."""
    ends = [key.removesuffix(_WORDS) for key in state if key.endswith(_WORDS)]
    if prefix is None and ends:
        prefix = ends[0].removesuffix('transformer.')
    inner = {k.removeprefix(prefix): v for k, v in state.items() if prefix and k.startswith(prefix)}
    names = [key for key in (_WORDS, f'transformer.{_WORDS}') if key in inner]
    if not names:
        raise CheckpointError(
            f'{what} holds no BERT{f" under {prefix}" if prefix else ""}: no …{_WORDS}'
        )
    inner = {
        key: value.float()
        for key, value in inner.items()
        if not key.endswith(('.position_ids', '.token_type_ids'))
    }
    if names[0] == _WORDS:
        inner = {k if k.startswith('proj.') else f'transformer.{k}': v for k, v in inner.items()}
    return rename(inner, _RENAMES)


def _projection(text: Mapping[str, Tensor], width: int) -> tuple[nn.Module, int]:
    """The layers that the weights call for, and the length of what they give."""
    if 'proj.weight' in text:
        dim = len(text['proj.weight'])
        return nn.Linear(width, dim, bias=False), dim
    if 'proj.0.weight' in text:
        hidden = len(text['proj.0.weight'])
        dim = _rows(text, 'proj.2.weight', width)
        first, last = nn.Linear(width, hidden, bias=False), nn.Linear(hidden, dim, bias=False)
        return nn.Sequential(first, nn.GELU(), last), dim
    return nn.Identity(), width


def _rows(text: Mapping[str, Tensor], key: str, usual: int) -> int:
    """First size of a tensor; where there is none, strict loading says so."""
    return len(text[key]) if key in text else usual
