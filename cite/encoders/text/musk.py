"""MUSK's text half: the branch of its BEiT-3 that texts pass through."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cite.encoders.checkpoints.musk import OFFSET, branch
from cite.encoders.checkpoints.renaming import drop
from cite.encoders.checkpoints.strict import load_strict
from cite.encoders.files.state_file import read_state
from cite.encoders.text.base import TEXT_ENCODERS
from cite.encoders.text.paired import PairedTextEncoder
from cite.encoders.text.pooling import as_it_is
from cite.encoders.text.sentence_pieces import SentencePieces
from cite.encoders.text.sizes import HEAD_WIDTH, matrix_sizes
from cite.encoders.text.tokenizer_file import check_vocabulary, tokenizer_file
from cite.encoders.text.tower import TextTower
from cite.tuning.base import Tuning

LIMIT = 100
"""Longest text in tokens, the authors'."""
_NOT_TEXT = ('beit3.vision_embed.', 'vision_head.', 'logit_scale')


@TEXT_ENCODERS.register
class MUSKTextEncoder(PairedTextEncoder):
    """Text half of MUSK (Xiang et al., Nature 2025).

    Args:
        model: Zoo name of the pair ('musk'), hub id, or a local folder or file.
        revision: Commit, tag or branch on the hub.
        weights: File of the pair, or a folder with one.
        tokenizer: File of its vocabulary, or a folder with it; default: beside the weights, else the hub.
    """

    pooling = 'first token, projected'

    def _tower(self, tuning: Tuning | None) -> TextTower:
        tokenizer, trunk, _ = self._load()
        check_vocabulary(self.model, tokenizer, trunk.text_embed)
        limit = min(LIMIT, trunk.pos_embed.shape[1])
        dim = trunk.language_head.out_features
        return TextTower(self.model, tokenizer, trunk, as_it_is, dim, limit, tuning)

    def _read(self, path: Path) -> tuple[Any, float]:
        state = read_state(path)
        return musk_text(state, str(path)), float(state['logit_scale'])

    def _load_tokenizer(self, weights: Path | None) -> Any:
        path = tokenizer_file(
            self.model,
            ('tokenizer.spm',),
            self._tokenizer,
            weights.parent if weights else None,
            self.source,
            'https://github.com/lilab-stanford/MUSK, folder musk/models',
        )
        return SentencePieces(path)


class MUSKText(nn.Module):
    """BEiT-3 for texts alone: a transformer with norms inside attention and MLP, in timm's names.

    Args:
        words: Size of the vocabulary.
        positions: Most tokens of a text.
        width, depth, dim: Of a token, in blocks, of the embedding.
    """

    def __init__(self, words: int, positions: int, width: int, depth: int, dim: int) -> None:
        from timm.models.vision_transformer import Block

        super().__init__()
        block = partial(
            Block,
            width,
            width // HEAD_WIDTH,
            qkv_bias=True,
            scale_attn_norm=True,
            scale_mlp_norm=True,
            norm_layer=nn.LayerNorm,
        )
        self.text_embed = nn.Embedding(words, width)
        self.pos_embed = nn.Parameter(torch.zeros(1, positions, width))
        self.blocks = nn.ModuleList(block() for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.language_head = nn.Linear(width, dim, bias=False)

    def get_input_embeddings(self) -> nn.Module:
        """The table of token embeddings."""
        return self.text_embed

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Tokens of B texts → (B, dim)."""
        tokens = self.text_embed(input_ids) + self.pos_embed[:, : input_ids.shape[1]]
        hidden = ~attention_mask.bool()[:, None, None]
        mask = torch.zeros(hidden.shape).to(tokens).masked_fill(hidden, -torch.inf)
        for block in self.blocks:
            tokens = block(tokens, attn_mask=mask)
        embedding: Tensor = self.language_head(self.norm(tokens[:, 0]))
        return embedding


def musk_text(state: Mapping[str, Tensor], what: str) -> MUSKText:
    """The text half of a whole MUSK, in eval mode.

    Args:
        state: BEiT-3's names; what belongs to images is ignored.
        what: Names the weights in the error.

    Raises:
        CheckpointError: A weight that is missing, unexpected or of another shape.
    """
    needed = (
        'beit3.text_embed.weight',
        'beit3.encoder.embed_positions.B.weight',
        'language_head.weight',
    )
    sizes = matrix_sizes(state, needed, what, 'text half of MUSK')
    stack = 'beit3.encoder.layers.'
    depth = len({name.split('.')[3] for name in state if name.startswith(stack)})
    (words, width), (positions, _), (dim, _) = sizes
    text = branch(drop(state, _NOT_TEXT), 'B')
    text = {name: value.float() for name, value in text.items()}
    with torch.random.fork_rng(devices=[]):
        model = MUSKText(words, positions - OFFSET, width, depth, dim).eval()
    load_strict(model, text, what)
    return model
