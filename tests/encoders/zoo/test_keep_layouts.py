"""KEEP's file, against timm's transformer, two layers of torch and transformers' BERT."""

from __future__ import annotations

import math
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
from torch import Tensor, nn
from torch.nn.functional import normalize
from transformers import BertConfig, BertModel

from cite.encoders.pairs import load_pair
from cite.encoders.text import load_text
from cite.encoders.text.random_bert import build

LAYOUTS = ('keep',)
TEXTS = ['an h&e image of adenoma.', 'an h&e image of normal tissue, of some length.']


@pytest.fixture(scope='module')
def state() -> dict[str, Tensor]:
    state = synthetic('keep', depth=2)
    words = 'text.embeddings.word_embeddings.weight'
    return {**state, words: state[words][:200]}


@pytest.fixture
def file(tmp_path: Path, state, monkeypatch) -> Path:
    shorten(monkeypatch, 'keep', 2)
    build()[0].save_pretrained(tmp_path)
    return write(tmp_path, 'keep', state)


def inside(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)}


def image_vectors(state: dict[str, Tensor], images: Tensor) -> Tensor:
    trunk = timm.create_model(
        'vit_large_patch16_224', init_values=1e-5, num_classes=0, dynamic_img_size=True, depth=2
    )
    trunk.load_state_dict(inside(state, 'visual.'))
    head = nn.Sequential(nn.Linear(1024, 768), nn.GELU(), nn.Linear(768, 768))
    head.load_state_dict(inside(state, 'visual_head.'))
    return head(trunk.eval()(normalised('keep', images)))


def text_vectors(state: dict[str, Tensor], texts: list[str]) -> Tensor:
    bert = BertModel(BertConfig(vocab_size=200, num_hidden_layers=2))
    bert.load_state_dict(inside(state, 'text.'))
    tokens = build()[0](texts, padding=True, return_tensors='pt')
    return bert.eval()(**tokens).pooler_output


@torch.no_grad()
def test_images(file, state):
    images = random_images()
    check_same(feature('keep', file, images), image_vectors(state, images))


@torch.no_grad()
def test_texts(file, state):
    found = load_text('keep', weights=file).encode_text(TEXTS)
    check_same(found, text_vectors(state, TEXTS))


@torch.no_grad()
def test_pair(file, state):
    pair = load_pair('keep', vision={'weights': file}, text={'weights': file})
    images = random_images()
    assert torch.allclose(
        pair.image_features(images), normalize(image_vectors(state, images), dim=-1), atol=1e-6
    )
    texts = torch.from_numpy(pair.encode_text(TEXTS))
    assert torch.allclose(texts, normalize(text_vectors(state, TEXTS), dim=-1), atol=1e-6)
    assert float(pair.scale.detach()) == pytest.approx(math.exp(float(state['logit_scale'])))


def test_full_size():
    check_full_size('keep', 'keep')


def test_refusals_of_the_text_half(file, state, tmp_path):
    def load(damaged: dict[str, Tensor]) -> None:
        load_text('keep', weights=write(tmp_path, 'keep', damaged)).encode_text(TEXTS)

    check_refusals(load, dict(sorted(state.items(), key=lambda item: 'text.' not in item[0])))
