"""A small random CLIP with tokenizer, in the layout of the hub."""

from __future__ import annotations

import json
from pathlib import Path

import torch


def save_tiny_clip(folder: Path) -> Path:
    """Text of up to 24 characters; 2 layers, 16 wide; embeddings of 12 numbers."""
    from transformers import CLIPConfig, CLIPModel

    folder.mkdir(parents=True)
    size = save_tokenizer(folder)
    layers = {'hidden_size': 16, 'intermediate_size': 24, 'num_hidden_layers': 2}
    layers['num_attention_heads'] = 2
    text = {'vocab_size': size, 'max_position_embeddings': 24, 'eos_token_id': size - 1}
    text |= {'bos_token_id': size - 2, 'pad_token_id': size - 1}
    config = CLIPConfig(
        text_config={**layers, **text},
        vision_config={**layers, 'image_size': 16, 'patch_size': 8},
        projection_dim=12,
        logit_scale_init_value=3.25,
        initializer_factor=5.0,
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = CLIPModel(config).eval()
    model.save_pretrained(folder)
    return folder


def save_tokenizer(folder: Path) -> int:
    """Byte-level BPE without merges, in CLIP's layout: every character is a token."""
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import CLIPTokenizerFast

    letters = sorted(ByteLevel.alphabet())
    tokens = [*letters, *(f'{c}</w>' for c in letters), '<|startoftext|>', '<|endoftext|>']
    vocab = {token: index for index, token in enumerate(tokens)}
    (folder / 'vocab.json').write_text(json.dumps(vocab), encoding='utf-8')
    (folder / 'merges.txt').write_text('#version: 0.2\n', encoding='utf-8')
    tokenizer = CLIPTokenizerFast(vocab=vocab, merges=[])
    tokenizer.save_pretrained(folder)
    return len(tokens)
