"""MUSK's file, against timm's BEiT-3 and timm's own conversion; its text half, against formulas."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from layouts import check_refusals, synthetic
from published import (
    check_full_size,
    check_same,
    feature,
    normalised,
    random_images,
    shorten,
    write,
)
from timm.models.vision_transformer import checkpoint_filter_fn
from torch import Tensor
from torch.nn import functional as F

from cite.encoders.text.musk import musk_text
from cite.encoders.vision import load_vision

LAYOUTS = ('musk',)


@pytest.fixture(scope='module')
def state() -> dict[str, Tensor]:
    state = synthetic('musk', depth=2)
    words = 'beit3.text_embed.weight'
    return {**state, words: state[words][:300].clone()}


@pytest.fixture
def file(tmp_path: Path, state, monkeypatch) -> Path:
    for name in ('musk', 'musk-clip'):
        shorten(monkeypatch, name, 2)
    return write(tmp_path, 'musk', state)


def image_vectors(state: dict[str, Tensor], images: Tensor) -> Tensor:
    trunk = timm.create_model(
        'beit3_large_patch16_224', img_size=384, global_pool='token', num_classes=0, depth=2
    )
    heads = ('vision_head.', 'language_head.', 'logit_scale')
    own = {key: value for key, value in state.items() if not key.startswith(heads)}
    filtered = checkpoint_filter_fn(own, trunk)
    # timm's models of this kind end in another norm
    filtered = {key.replace('layer_norm.', 'norm.'): value for key, value in filtered.items()}
    trunk.load_state_dict(filtered)
    return trunk.eval()(normalised('musk', images))


@torch.no_grad()
def test_images(file, state):
    images = random_images(384)
    expected = image_vectors(state, images)
    check_same(feature('musk', file, images), expected)
    projected = feature('musk-clip', file, images)
    check_same(projected, expected @ state['vision_head.weight'].T)


def test_another_size(file, state):
    stored = state['beit3.encoder.embed_positions.A.weight'][3:]
    grid = stored.reshape(1, 24, 24, -1).permute(0, 3, 1, 2)
    smaller = F.interpolate(grid, size=(14, 14), mode='bicubic').flatten(2).transpose(1, 2)
    tower = load_vision('musk', weights=file, image_size=224)
    assert torch.allclose(tower.trunk.pos_embed[:, 1:], smaller, atol=1e-6)


def text_vector(state: dict[str, Tensor], ids: list[int]) -> Tensor:
    """One text without padding, through branch B."""

    def linear(x: Tensor, name: str) -> Tensor:
        return F.linear(x, state[f'{name}.weight'], state[f'{name}.bias'])

    def norm(x: Tensor, name: str) -> Tensor:
        return F.layer_norm(x, x.shape[-1:], state[f'{name}.weight'], state[f'{name}.bias'], 1e-5)

    x = state['beit3.text_embed.weight'][ids]
    x = x + state['beit3.encoder.embed_positions.B.weight'][2 : 2 + len(ids)]
    for number in range(2):
        layer = f'beit3.encoder.layers.{number}'
        y = norm(x, f'{layer}.self_attn_layer_norm.B')
        q, k, v = (
            linear(y, f'{layer}.self_attn.{name}_proj.B').unflatten(-1, (16, 64)).transpose(0, 1)
            for name in 'qkv'
        )
        seen = ((q / 8) @ k.transpose(-1, -2)).softmax(-1) @ v
        seen = norm(seen.transpose(0, 1).flatten(1), f'{layer}.self_attn.inner_attn_ln.B')
        x = x + linear(seen, f'{layer}.self_attn.out_proj.B')
        y = F.gelu(linear(norm(x, f'{layer}.final_layer_norm.B'), f'{layer}.ffn.B.fc1'))
        x = x + linear(norm(y, f'{layer}.ffn.B.ffn_layernorm'), f'{layer}.ffn.B.fc2')
    return norm(x, 'beit3.encoder.layer_norm.B')[0] @ state['language_head.weight'].T


@torch.no_grad()
def test_texts(state):
    texts = [[0, 17, 5, 200, 2], [0, 44, 2]]
    model = musk_text(state, 'musk')
    ids = torch.tensor([texts[0], [*texts[1], 1, 1]])
    found = model(ids, ids != 1)
    check_same(found, torch.stack([text_vector(state, text) for text in texts]))


def test_full_size():
    check_full_size('musk', 'musk', 'qkv')
    check_full_size('musk', 'musk-clip', 'qkv')


def test_refusals_of_the_text_half(state):
    def load(damaged: dict[str, Tensor]) -> None:
        musk_text(damaged, 'musk')

    ordered = dict(sorted(state.items(), key=lambda item: '.B.' not in item[0]))
    check_refusals(load, ordered, 'qkv')
