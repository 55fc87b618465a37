"""Folders of small random text models with tokenizers made on the fly, in the layout of the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

WORDS = ('well', 'poorly', 'differentiated', 'gland', 'of', 'the', 'stomach', 'carcinoma')
TEXTS = ['well differentiated gland', 'gland', 'poorly differentiated carcinoma of the stomach']
SIZES = {'hidden_size': 24, 'num_hidden_layers': 2, 'num_attention_heads': 2}
SIZES |= {'intermediate_size': 32, 'max_position_embeddings': 24, 'initializer_range': 0.5}
KINDS = ('bert', 't5', 'biogpt', 'llama', 'gpt2')


def save_tokenizer(folder: Path, kind: str = 'bert', **options: Any) -> None:
    """One token per word, with the special tokens of a kind; LLaMA and GPT-2 have none for padding."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = {
        'bert': {'pad': '[PAD]', 'unk': '[UNK]', 'cls': '[CLS]', 'sep': '[SEP]'},
        't5': {'pad': '<pad>', 'eos': '</s>', 'unk': '<unk>'},
        'biogpt': {'bos': '<s>', 'pad': '<pad>', 'eos': '</s>', 'unk': '<unk>'},
        'llama': {'unk': '<unk>', 'bos': '<s>', 'eos': '</s>'},
        'gpt2': {'eos': '<|endoftext|>'},
    }[kind]
    ids = {token: i for i, token in enumerate((*names.values(), *WORDS))}
    tokenizer = Tokenizer(models.WordLevel(ids, names.get('unk', '<|endoftext|>')))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    frame = {
        'bert': '[CLS] $A [SEP]',
        't5': '$A </s>',
        'biogpt': '</s> $A',
        'llama': '<s> $A',
        'gpt2': '$A',
    }[kind]
    special = [(token, ids[token]) for token in names.values() if token in frame]
    tokenizer.post_processor = processors.TemplateProcessing(single=frame, special_tokens=special)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, **{f'{k}_token': v for k, v in names.items()}, **options
    ).save_pretrained(folder)


def whole_model(kind: str, seed: int = 0) -> Any:
    """The model as its authors train it, with its heads: random in every weight."""
    import transformers as t

    vocab = {'vocab_size': 16}
    makers = {
        'bert': lambda: t.BertForPreTraining(t.BertConfig(**vocab, **SIZES)),
        'biogpt': lambda: t.BioGptForCausalLM(t.BioGptConfig(**vocab, **SIZES)),
        'llama': lambda: t.LlamaForCausalLM(t.LlamaConfig(**vocab, **SIZES)),
        'gpt2': lambda: t.GPT2LMHeadModel(
            t.GPT2Config(**vocab, n_embd=24, n_layer=2, n_head=2, n_positions=24)
        ),
        't5': lambda: t.T5ForConditionalGeneration(
            t.T5Config(**vocab, d_model=24, d_kv=12, d_ff=32, num_layers=2, num_heads=2)
        ),
    }
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = makers[kind]().eval()
        for value in model.parameters():
            torch.nn.init.normal_(value, std=0.3)
    return model


def save_language_model(folder: Path, kind: str, seed: int = 0, **tokenizer: Any) -> Path:
    """Config, weights with heads, and tokenizer."""
    folder.mkdir(parents=True, exist_ok=True)
    whole_model(kind, seed).save_pretrained(folder)
    save_tokenizer(folder, kind, **tokenizer)
    return folder
