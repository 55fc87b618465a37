"""Pairs by name: the two halves of a published model, or a file that was trained here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_clip import save_tiny_clip
from tiny_models import tiny_tower

from cite.encoders.pair import Pair
from cite.encoders.pair_card import PairCard
from cite.encoders.pair_file import PairInfo, save_pair
from cite.encoders.pairs import load_pair
from cite.encoders.text import build_text_encoder
from cite.encoders.text.clip import CLIPTextEncoder
from cite.encoders.zoo import CARDS, PAIRS, TEXT_CARDS
from cite.errors import CheckpointError, ModelError


@pytest.mark.parametrize('name', PAIRS)
def test_every_row_names_halves_that_there_are(name):
    card = PAIRS[name]
    assert card.vision in CARDS
    assert card.text in TEXT_CARDS
    build_text_encoder({'model': card.text})  # takes the options of its row; nothing is loaded
    if isinstance(card.scale, Path):
        assert card.scale.name == 'pair.json'


def test_a_published_pair_has_the_scale_of_its_file(tmp_path, monkeypatch):
    """The text half says exp(3.25); the towers' own features are compared."""
    import cite.encoders.pairs as module

    folder = save_tiny_clip(tmp_path / 'clip')
    about = {'name': 'small', 'licence': 'none', 'citation': 'none'}
    monkeypatch.setattr(module, 'build_text_encoder', lambda spec: CLIPTextEncoder(str(folder)))
    monkeypatch.setitem(PAIRS, 'small', PairCard(**about, vision='small', text='small'))
    tower = tiny_tower(trunk=None)
    tower.feature_dim = 12  # of that CLIP's texts
    monkeypatch.setattr(module, 'load_vision', lambda model: tower)
    pair = load_pair('small')
    assert pair.scale.item() == pytest.approx(np.exp(3.25))
    assert isinstance(pair.image_projection, torch.nn.Identity)
    assert pair.bias is None
    assert not pair.training
    assert pair.encode_text(['gland']).shape == (1, 12)
    (tmp_path / 'pair.json').write_text('{"scale": 30.5}')
    for scale, expected in ((20.0, 20.0), (tmp_path / 'pair.json', 30.5)):
        card = PairCard(**about, vision='small', text='small', scale=scale)
        monkeypatch.setitem(PAIRS, 'small', card)
        assert load_pair('small').scale.item() == pytest.approx(expected)


def test_a_file_is_a_pair_too(tmp_path):
    from cite.encoders.pair import build_pair

    vision = {'model': 'random-vit-tiny', 'image_size': 32}
    text = {'model': 'random-bert-tiny', 'pooling': 'mean'}
    pair = build_pair(vision, text, 4)
    path = tmp_path / 'pair.safetensors'
    save_pair(path, pair, PairInfo(vision, text, 4, False, pair.vision.digest, pair.text.digest))
    for name in (path, str(path)):
        assert isinstance(load_pair(name), Pair)
        assert np.array_equal(load_pair(name).encode_text(['mucus']), pair.encode_text(['mucus']))


def test_unknown_names_are_told_with_the_known_ones(tmp_path):
    with pytest.raises(
        ModelError, match=r"unknown pair 'clip-vit-b61': did you mean clip-vit-b16\?"
    ):
        load_pair('clip-vit-b61')
    with pytest.raises(
        ModelError, match=r'known: .*clip-vit-b32, .* the path of a pair.safetensors'
    ):
        load_pair('nothing-like-it')
    with pytest.raises(CheckpointError, match=r'gone\.safetensors: no such file'):
        load_pair(tmp_path / 'gone.safetensors')
    with pytest.raises(CheckpointError, match='a folder'):
        load_pair(tmp_path)
