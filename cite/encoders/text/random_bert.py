"""A tiny BERT with seeded random weights, for tests and the quickstart.

It spells: its vocabulary is single characters, so different texts get different vectors, and that is
all it is good for. Nothing it says has a meaning.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from transformers import BertModel, PreTrainedTokenizerFast

NAME = 'random-bert-tiny'
HIDDEN = 128
SEED = 20230


def build() -> tuple[PreTrainedTokenizerFast, BertModel]:
    """Tokenizer and model, the same on every machine; the global random state is left alone."""
    from tokenizers import BertWordPieceTokenizer, Tokenizer
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    characters = string.ascii_lowercase + string.digits + string.punctuation
    special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    tokens = [*special, *characters, *(f'##{c}' for c in characters)]
    wordpiece = BertWordPieceTokenizer({token: i for i, token in enumerate(tokens)})
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(wordpiece.to_str()),  # its wrapper cannot cut texts
        pad_token='[PAD]',
        unk_token='[UNK]',
        cls_token='[CLS]',
        sep_token='[SEP]',
        mask_token='[MASK]',
        model_max_length=256,
    )
    config = BertConfig(
        vocab_size=len(tokens),
        hidden_size=HIDDEN,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=2 * HIDDEN,
        max_position_embeddings=256,
        initializer_range=0.3,  # large: with the usual 0.02 all texts lie in nearly one direction
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        model = BertModel(config).eval()
    return tokenizer, model
