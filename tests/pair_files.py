"""Files of vision-language pairs as their authors save them, and what reads them independently."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from layouts import synthetic
from tiny_clip import save_tokenizer
from torch import Tensor, nn

from cite.encoders import zoo

TEXTS = ['gland', 'a tubular gland of the stomach', 'mucus']


def shorten(monkeypatch: Any, name: str, depth: int = 2) -> None:
    """Makes the vision half of a zoo model only so many layers deep."""
    card = zoo.CARDS[name]
    short = replace(card, arch_kwargs={**card.arch_kwargs, 'depth': depth})
    monkeypatch.setitem(zoo.CARDS, name, short)


def small(layout: str, depth: int = 2) -> dict[str, Tensor]:
    """A synthetic file of few layers and words; the tokenizers here know no more."""
    return {
        key: value[:600]
        if key.endswith(('token_embedding.weight', 'word_embeddings.weight'))
        else value
        for key, value in synthetic(layout, depth).items()
    }


def save_bpe(folder: Path) -> str:
    """A tokenizer of CLIP's kind with few tokens."""
    folder.mkdir(parents=True)
    save_tokenizer(folder)
    return str(folder)


def save_wordpiece(folder: Path) -> str:
    """A tokenizer of BERT's kind with few tokens."""
    from transformers import BertTokenizerFast

    folder.mkdir(parents=True)
    words = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]', *' '.join(TEXTS).split()]
    (folder / 'vocab.txt').write_text('\n'.join(dict.fromkeys(words)), encoding='utf-8')
    tokenizer = BertTokenizerFast(vocab=str(folder / 'vocab.txt'), model_max_length=512)
    tokenizer.save_pretrained(folder)
    return str(folder)


def save_torchscript(state: Mapping[str, Tensor], path: Path) -> None:
    """An archive with exactly those tensors, as OpenAI's are."""

    class Node(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x

    root = Node()
    for key, value in state.items():
        *parents, last = key.split('.')
        node: nn.Module = root
        for part in parents:
            if not hasattr(node, part):
                node.add_module(part, Node())
            node = getattr(node, part)
        if value.is_floating_point():
            node.register_parameter(last, nn.Parameter(value))
        else:
            node.register_buffer(last, value)
    torch.jit.save(torch.jit.trace(root, torch.zeros(1)), str(path))


def pictures(side: int, count: int = 2) -> Tensor:
    """uint8 images (count, 3, side, side)."""
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (count, 3, side, side), dtype=np.uint8))


def normalised(images: Tensor, card: Any) -> Tensor:
    """As a pair's own preprocessing leaves them."""
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in (card.mean, card.std))
    return (images / 255 - mean) / std


def clip_config(state: Mapping[str, Tensor], activation: str) -> Any:
    """transformers' config of a CLIP in its own names."""
    from transformers import CLIPConfig

    def half(name: str) -> dict[str, Any]:
        layers = {k.split('.')[3] for k in state if k.startswith(f'{name}.encoder.layers.')}
        norm = state[f'{name}.encoder.layers.0.layer_norm1.weight']
        inner = state[f'{name}.encoder.layers.0.mlp.fc1.bias']
        return {
            'hidden_size': len(norm),
            'intermediate_size': len(inner),
            'num_hidden_layers': len(layers),
            'num_attention_heads': len(norm) // 64,
            'hidden_act': activation,
        }

    patch = state['vision_model.embeddings.patch_embedding.weight'].shape[-1]
    positions = len(state['vision_model.embeddings.position_embedding.weight']) - 1
    vision = {'patch_size': patch, 'image_size': patch * round(positions**0.5)}
    words = state['text_model.embeddings.token_embedding.weight']
    return CLIPConfig(
        text_config={**half('text_model'), 'vocab_size': len(words), 'eos_token_id': 2},
        vision_config={**half('vision_model'), **vision},
        projection_dim=len(state['text_projection.weight']),
    )


def open_clip_of(state: Mapping[str, Tensor], quick: bool) -> Any:
    """open_clip's CLIP with these weights."""
    import open_clip

    def layers(prefix: str) -> int:
        found = {k.removeprefix(prefix).split('.')[0] for k in state if k.startswith(prefix)}
        return len(found)

    conv, words = state['visual.conv1.weight'], state['token_embedding.weight']
    side = conv.shape[-1] * round((len(state['visual.positional_embedding']) - 1) ** 0.5)
    model = open_clip.CLIP(
        embed_dim=state['text_projection'].shape[1],
        vision_cfg={
            'image_size': side,
            'patch_size': conv.shape[-1],
            'width': len(conv),
            'layers': layers('visual.transformer.resblocks.'),
        },
        text_cfg={
            'context_length': len(state['positional_embedding']),
            'vocab_size': len(words),
            'width': words.shape[1],
            'heads': words.shape[1] // 64,
            'layers': layers('transformer.resblocks.'),
        },
        quick_gelu=quick,
    )
    scalars = ('input_resolution', 'context_length', 'vocab_size')
    kept = {key: value.float() for key, value in state.items() if key not in scalars}
    model.load_state_dict(kept, strict=True)
    return model.eval()


def custom_clip(vision: Mapping[str, Any], dim: int, folder: Path, text: Any, quick: bool) -> Any:
    """open_clip's pair with a BERT that is `text` (a BertConfig), random weights.

    Args:
        folder: Where the BERT's config is put; nothing is asked of the hub.
    """
    import open_clip

    folder.mkdir(parents=True)
    text.save_pretrained(folder)
    config = json.loads((folder / 'config.json').read_text())
    assert config['model_type'] == 'bert'
    return open_clip.CustomTextCLIP(
        embed_dim=dim,
        vision_cfg=dict(vision),
        text_cfg={
            'hf_model_name': str(folder),
            'hf_model_pretrained': False,
            'hf_proj_type': 'mlp',
            'hf_pooler_type': 'cls_last_hidden_state_pooler',
            'context_length': 256,
        },
        quick_gelu=quick,
    ).eval()
