from __future__ import annotations

from dataclasses import replace

import pytest
import timm
import torch

from cite.encoders.zoo import CARDS, find_card, get_card, suggest
from cite.errors import ModelError


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


def test_images_are_resized_as_the_authors_do():
    # torchvision's default; and transformers' ViT processor, which keeps no aspect
    assert CARDS['midnight-12k'].interpolation == 'bilinear'
    for name in ('phikon', 'vit-b16-in21k-google'):
        assert (CARDS[name].interpolation, CARDS[name].resize) == ('bilinear', 'squash')


def test_find_card():
    assert find_card('clip-vit-b16') is CARDS['clip-vit-b16']
    assert find_card('timm:vit_tiny_patch16_224') is None
    assert find_card('/models/clip-vit-b16') is None


@pytest.mark.parametrize('prefix', ['hf-hub:', ''])
def test_a_hub_repository_of_the_zoo_is_its_model(prefix):
    card = CARDS['clip-vit-b16']
    assert card.source is not None
    assert get_card(f'{prefix}{card.source.repo}') is card
    pinned = get_card(f'{prefix}{card.source.repo}@0a1b2c')
    assert pinned == replace(card, source=replace(card.source, revision='0a1b2c'))
    assert find_card(f'{prefix}openai/clip-vit-base-patch61') is None
    assert find_card(f'{prefix}None') is None  # models on no hub have no repository


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
    with pytest.raises(ModelError, match='see `cite models`'):
        get_card('zzz')
    with pytest.raises(ModelError, match=r'timm has no model .*vit_small_patch16_224'):
        get_card('timm:vit_smal_patch16_224')


def test_a_text_encoder_is_told_as_one():
    with pytest.raises(ModelError, match=r'biobert-v1\.1 is a text encoder.*load_text'):
        get_card('biobert-v1.1')
