"""Layouts are told apart by their names, at full size and without any weights.

That the models of the zoo take their own files is tested in `tests/encoders/zoo`.
"""

from __future__ import annotations

import pytest
import torch
from layouts import names, synthetic

from cite.encoders.checkpoints import FAMILIES, find_family, load_strict, to_timm
from cite.encoders.files.state_file import unwrap
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError

# layout → model of the zoo whose weights are also published that way
OTHER_WAYS = {
    'openai_clip_ViT_B_16': 'clip-vit-b16',
    'openai_clip_ViT_L_14_336px': 'clip-vit-l14-336',
    'dinov2_vits14_pretrain': 'dinov2-vit-s14',
    'dinov2_vitg14_reg4_pretrain': 'dinov2-vit-g14-reg',
    'hf_dinov2_giant': 'dinov2-vit-g14',
    'timm_vit_base_patch14_reg4_dinov2': 'dinov2-vit-b14-reg',
    'mmpretrain_vit_base_p16': 'vit-b16-in21k',
}
TEXT_ONLY = ['bio_clinicalbert', 'biogpt', 'llama_7b', 't5_base_clinical']


def state_of(name):
    return unwrap(synthetic(name, device='meta'), name)


@pytest.mark.parametrize('name', OTHER_WAYS)
def test_published_layout_fills_the_zoo_model(name):
    card = CARDS[OTHER_WAYS[name]]
    with torch.device('meta'):
        model = random_trunk(card, card.image_size)
    state = to_timm(state_of(name), model, card.pos_interp, card.leftovers)
    load_strict(model, state, name)


@pytest.mark.parametrize('name', sorted(set(names()) - set(TEXT_ONLY)))
def test_one_family_at_most_claims_a_layout(name):
    state = state_of(name)
    # timm's own names are part of others', and its family is asked last
    assert sum(family.matches(state) for family in FAMILIES[:-1]) <= 1


@pytest.mark.parametrize('name', TEXT_ONLY)
def test_text_encoders_are_told_as_such(name):
    with pytest.raises(CheckpointError, match=r'unknown checkpoint layout.*load_text'):
        find_family(state_of(name))


def test_a_part_with_a_known_layout_is_told():
    state = {f'model.inner.{k}': v for k, v in state_of('timm_vit_small_patch14_dinov2').items()}
    state['model.loss.weight'] = state['model.inner.norm.weight']
    with pytest.raises(CheckpointError, match=r"Behind 'model\.inner\.' the names are those of"):
        find_family(state)
