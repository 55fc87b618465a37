from __future__ import annotations

import pytest
import timm
import torch

from cite.encoders.cards import clip, dinov2, tiny_tissue, vit
from cite.encoders.zoo import CARDS, find_card, get_card, suggest
from cite.errors import ModelError


def test_names_are_unique():
    assert len(CARDS) == sum(len(family.CARDS) for family in (clip, dinov2, tiny_tissue, vit))


@pytest.mark.parametrize('name', CARDS)
def test_card_tells_what_timm_builds(name):
    card = CARDS[name]
    with torch.device('meta'):
        model = timm.create_model(card.arch, **{**card.arch_kwargs, 'weight_init': 'skip'})
    assert model.patch_embed.patch_size == (card.patch_size, card.patch_size)
    assert model.patch_embed.img_size == (card.image_size, card.image_size)
    assert model.global_pool == ('avg' if name == 'tiny-tissue' else 'token')
    expected = model.head.out_features if card.feature == 'projection' else model.num_features
    assert card.feature_dim == expected
    assert card.citation
    assert card.licence


def test_clip_is_built_as_trained():
    with torch.device('meta'):
        card = CARDS['clip-vit-b16']
        model = timm.create_model(card.arch, **{**card.arch_kwargs, 'weight_init': 'skip'})
    assert 'QuickGELU' in type(model.blocks[0].mlp.act).__name__
    assert {m.eps for m in model.modules() if isinstance(m, torch.nn.LayerNorm)} == {1e-5}
    assert model.patch_embed.proj.bias is None


def test_dinov2_keeps_its_authors_interpolation():
    assert CARDS['dinov2-vit-b14'].pos_interp == 'dino'
    assert CARDS['dinov2-vit-b14-reg'].pos_interp == 'timm'


def test_find_card():
    assert find_card('clip-vit-b16') is CARDS['clip-vit-b16']
    assert find_card('timm:vit_tiny_patch16_224') is None


@pytest.mark.parametrize(
    ('written', 'meant'),
    [
        ('clip_vit_b16', 'clip-vit-b16'),
        ('dinov2-vitb14', 'dinov2-vit-b14'),
        ('openai/clip-vit-large-patch14', 'clip-vit-l14'),
        ('CLIP-ViT-B/32', 'clip-vit-b32'),
    ],
)
def test_suggest(written, meant):
    assert suggest(written)[0] == meant


def test_unknown_name_suggests():
    with pytest.raises(
        ModelError, match=r"unknown model 'clip-vit-b61': did you mean clip-vit-b16"
    ):
        get_card('clip-vit-b61')
    with pytest.raises(ModelError, match='known: clip-vit-b32'):
        get_card('zzz')
