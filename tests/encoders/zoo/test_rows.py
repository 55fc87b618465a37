"""Every row of the zoo says what it must, and says what its architecture computes."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cite.encoders import zoo
from cite.encoders.card import Card
from cite.encoders.pair_card import PairCard
from cite.encoders.text import TEXT_ENCODERS, build_text_encoder
from cite.encoders.text_card import TextCard
from cite.encoders.towers.stages import STAGES, Stages
from cite.encoders.towers.vit import PlainViT
from cite.encoders.zoo import CARDS, PAIRS, ROWS, TEXT_CARDS
from cite.errors import ModelError

IDS = [f'{type(row).__name__} {row.name}' for row in ROWS]


@pytest.mark.parametrize('row', ROWS, ids=IDS)
def test_row_says_what_it_must(row):
    assert isinstance(row, Card | TextCard | PairCard)
    assert re.fullmatch(r'[a-z0-9]+([-.][a-z0-9]+)*', row.name), 'no plain name in kebab-case'
    assert row.licence.strip()
    assert row.citation.strip()
    assert not row.note.endswith('.')
    if row.source is None:
        assert not row.gated, 'terms of what?'
    elif row.source.repo is None:
        assert row.source.how, 'on no hub, and not a word on how to get it'
        assert re.search(r'https?://\S+', row.source.how)
    else:
        assert re.fullmatch(r'[\w.-]+/[\w.-]+', row.source.repo)


def test_names_are_unique_per_kind():
    for kind, table in ((Card, CARDS), (TextCard, TEXT_CARDS), (PairCard, PAIRS)):
        assert len(table) == sum(isinstance(row, kind) for row in ROWS)
    row = CARDS['uni']
    with pytest.raises(ModelError, match="two rows of the zoo are called 'uni'"):
        zoo._table([row, replace(row, mpp=0.1)], Card)


@pytest.mark.parametrize('pair', PAIRS.values(), ids=PAIRS)
def test_halves_of_pairs_exist_and_meet(pair):
    vision, text = CARDS[pair.vision], TEXT_CARDS[pair.text]
    assert vision.feature_dim == text.dim
    assert bool(pair.templates) == bool(pair.templates_from)
    assert all('{}' in template for template in pair.templates)
    assert not isinstance(pair.scale, Path) or pair.scale.is_file()


@pytest.mark.parametrize('card', TEXT_CARDS.values(), ids=TEXT_CARDS)
def test_text_encoders_take_their_rows(card):
    encoder = build_text_encoder({'model': card.name})  # cheap: nothing is loaded
    assert type(encoder) is TEXT_ENCODERS.get(card.encoder)
    assert not isinstance(card.folder, Path) or card.folder.is_dir()


@pytest.mark.parametrize('card', CARDS.values(), ids=CARDS)
def test_vision_rows_say_what_their_architecture_computes(card):
    """Without weights or values: sizes only, transformers with two blocks."""
    stages: type[Stages] = STAGES.get(card.tower)
    if issubclass(stages, PlainViT):
        card = replace(card, arch_kwargs={**card.arch_kwargs, 'depth': 2, 'weight_init': 'skip'})
    assert card.image_size % card.patch_size == 0
    with torch.device('meta'), torch.no_grad():
        tower = stages(card, stages.build(card, card.image_size).eval())
        tokens = tower.embed(torch.zeros(2, 3, card.image_size, card.image_size))
        if tower.takes_prompts and not tower.windowed:
            length = tower.num_prefix_tokens + tower.num_patches
            assert tokens.shape == (2, length, tower.width)
            assert tower.num_patches == (card.image_size // card.patch_size) ** 2
        for index in range(len(tower.blocks)):
            tokens = tower.block(index, tokens)
        assert tower.pool(tokens).shape == (2, card.feature_dim)
    assert tower.image_size == card.image_size


def test_reading_the_zoo_is_cheap():
    heavy = ('torch', 'timm', 'transformers', 'numpy', 'huggingface_hub', 'open_clip')
    code = f'import cite.encoders.zoo, sys; print([m for m in {heavy} if m in sys.modules])'
    out = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == '[]'
