"""CONCH's text half: a causal transformer with a learned class token behind the text (CoCa)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cite.encoders.checkpoints.renaming import rename
from cite.encoders.checkpoints.strict import load_strict
from cite.encoders.files.state_file import read_state
from cite.encoders.text.base import TEXT_ENCODERS
from cite.encoders.text.paired import PairedTextEncoder
from cite.encoders.text.pooling import as_it_is
from cite.encoders.text.sizes import HEAD_WIDTH, matrix_sizes
from cite.encoders.text.tokenizer_file import check_vocabulary, tokenizer_file
from cite.encoders.text.tower import TextTower
from cite.errors import ModelError
from cite.tuning.base import Tuning

_VOCABULARY = ('conch_byte_level_bpe_uncased.json', 'tokenizer.json')
_RENAMES = (
    (r'^text\.', ''),
    (r'^ln_final\.', 'norm.'),
    (r'^text_projection$', 'text_projection.weight'),
    (r'^transformer\.resblocks\.', 'blocks.'),
    (r'\.ln_([12])\.', r'.norm\1.'),
    (r'\.attn\.in_proj_', '.attn.qkv.'),
    (r'\.attn\.out_proj\.', '.attn.proj.'),
    (r'\.mlp\.c_fc\.', '.mlp.fc1.'),
    (r'\.mlp\.c_proj\.', '.mlp.fc2.'),
)


@TEXT_ENCODERS.register
class CONCHTextEncoder(PairedTextEncoder):
    """Text half of CONCH (Lu et al., Nat Med 2024).

    Args:
        model: Zoo name of the pair ('conch'), hub id, or a local folder or file.
        revision: Commit, tag or branch on the hub.
        weights: File of the pair, or a folder with one.
        tokenizer: File of its vocabulary, or a folder with it; default: beside the weights, else the hub.
    """

    pooling = 'class token, projected'

    def _tower(self, tuning: Tuning | None) -> TextTower:
        tokenizer, trunk, _ = self._load()
        check_vocabulary(self.model, tokenizer, trunk.token_embedding)
        limit = len(trunk.positional_embedding) - 1
        dim = trunk.text_projection.out_features
        return TextTower(self.model, tokenizer, trunk, as_it_is, dim, limit, tuning)

    def _read(self, path: Path) -> tuple[Any, float]:
        state = read_state(path)
        return conch_text(state, str(path)), float(state['logit_scale'])

    def _load_tokenizer(self, weights: Path | None) -> Any:
        from transformers import PreTrainedTokenizerFast

        path = tokenizer_file(
            self.model,
            _VOCABULARY,
            self._tokenizer,
            weights.parent if weights else None,
            self.source,
            'https://github.com/mahmoodlab/CONCH, folder conch/open_clip_custom/tokenizers',
        )
        try:
            return PreTrainedTokenizerFast(
                tokenizer_file=str(path),
                bos_token='<start_of_text>',
                eos_token='<end_of_text>',
                pad_token='<pad>',
                model_input_names=['input_ids', 'attention_mask'],
            )
        except Exception as error:  # tokenizers raises bare exceptions
            raise ModelError(f'{path} is no vocabulary of {self.model} ({error})') from error


class CONCHText(nn.Module):
    """The text transformer; its blocks have timm's names.

    Args:
        words: Size of the vocabulary.
        positions: Of the text and of the class token, which stands at the last one.
        width, depth, dim: Of a token, in blocks, of the embedding.
    """

    def __init__(self, words: int, positions: int, width: int, depth: int, dim: int) -> None:
        from timm.models.vision_transformer import Block

        super().__init__()
        self.token_embedding = nn.Embedding(words, width)
        self.positional_embedding = nn.Parameter(torch.zeros(positions, width))
        self.cls_emb = nn.Parameter(torch.zeros(width))
        self.blocks = nn.ModuleList(
            Block(width, width // HEAD_WIDTH, qkv_bias=True, norm_layer=nn.LayerNorm)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.text_projection = nn.Linear(width, dim, bias=False)

    def get_input_embeddings(self) -> nn.Module:
        """The table of token embeddings."""
        return self.token_embedding

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        """Tokens of B texts → (B, dim).

        CONCH pads every text to all positions but the last, and its mask is CoCa's, which is a place too
        far to the left: the class token sees the text's n tokens and the first padding behind them, and
        not itself, unless no padding is left. That is what it was trained with; a column of padding is
        enough to compute the same.
        """
        room = len(self.positional_embedding) - 1
        if input_ids.shape[1] < room:
            input_ids = nn.functional.pad(input_ids, (0, 1))  # padding is token 0
            attention_mask = nn.functional.pad(attention_mask, (0, 1))
        length = input_ids.shape[1]
        words = self.token_embedding(input_ids) + self.positional_embedding[:length]
        last = (self.cls_emb + self.positional_embedding[room]).expand(len(words), 1, -1)
        tokens = torch.cat([words, last], dim=1)
        mask = _mask(attention_mask.bool()).to(tokens)
        for block in self.blocks:
            tokens = block(tokens, attn_mask=mask)
        embedding: Tensor = self.text_projection(self.norm(tokens[:, -1]))
        return embedding


def _mask(real: Tensor) -> Tensor:
    """Which tokens are the text's (B, N) → what is added to attention (B, 1, N + 1, N + 1)."""
    size = real.shape[1] + 1
    seen = (
        torch.ones(size, size, dtype=torch.bool, device=real.device).tril().repeat(len(real), 1, 1)
    )
    seen[:, -1, 1:] = real
    return torch.zeros(seen.shape, device=real.device).masked_fill(~seen, -torch.inf)[:, None]


def conch_text(state: Mapping[str, Tensor], what: str) -> CONCHText:
    """The text half of a whole CONCH, in eval mode.

    Args:
        state: CONCH's names; what does not begin with 'text.' is ignored.
        what: Names the weights in the error.

    Raises:
        CheckpointError: A weight that is missing, unexpected or of another shape.
    """
    needed = ('text.token_embedding.weight', 'text.positional_embedding', 'text.text_projection')
    sizes = matrix_sizes(state, needed, what, 'text half of CONCH')
    (words, width), (positions, _), (_, dim) = sizes
    stack = 'text.transformer.resblocks.'
    depth = len({name.split('.')[3] for name in state if name.startswith(stack)})
    text = {name: value.float() for name, value in state.items() if name.startswith('text.')}
    text[needed[2]] = text[needed[2]].T  # CONCH multiplies from the right
    with torch.random.fork_rng(devices=[]):
        model = CONCHText(words, positions, width, depth, dim).eval()
    load_strict(model, rename(text, _RENAMES), what)
    return model
