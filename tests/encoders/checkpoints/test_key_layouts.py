"""Full-size layouts: names and shapes of published files against timm's, without any weights.

`CITE_TEST_KEYS` names a folder of JSON files {key: shape}, one per published checkpoint.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import timm
import torch

from cite.encoders.checkpoints import FAMILIES, find_family, load_strict, to_timm
from cite.encoders.state_file import unwrap
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError

ROOT = Path(__file__).resolve().parents[3]
KEYS = Path(os.environ.get('CITE_TEST_KEYS') or ROOT.parent / 'shared' / 'models' / 'keys')

# file of keys → zoo name of a model of that size
LAYOUTS = {
    'openai_clip_ViT_B_16': 'clip-vit-b16',
    'openai_clip_ViT_L_14': 'clip-vit-l14',
    'openai_clip_ViT_L_14_336px': 'clip-vit-l14-336',
    'hf_clip_vit_base_patch32': 'clip-vit-b32',
    'hf_clip_vit_base_patch16': 'clip-vit-b16',
    'hf_clip_vit_large_patch14': 'clip-vit-l14',
    'plip_hf': 'clip-vit-b32',
    'dinov2_vits14_pretrain': 'dinov2-vit-s14',
    'dinov2_vitb14_pretrain': 'dinov2-vit-b14',
    'dinov2_vitl14_pretrain': 'dinov2-vit-l14',
    'dinov2_vitg14_pretrain': 'dinov2-vit-g14',
    'dinov2_vitb14_reg4_pretrain': 'dinov2-vit-b14-reg',
    'dinov2_vitg14_reg4_pretrain': 'dinov2-vit-g14-reg',
    'hf_dinov2_small': 'dinov2-vit-s14',
    'hf_dinov2_base': 'dinov2-vit-b14',
    'hf_dinov2_giant': 'dinov2-vit-g14',
    'timm_vit_small_patch14_dinov2': 'dinov2-vit-s14',
    'timm_vit_giant_patch14_dinov2': 'dinov2-vit-g14',
    'timm_vit_base_patch14_reg4_dinov2': 'dinov2-vit-b14-reg',
    'timm_vit_giant_patch14_reg4_dinov2': 'dinov2-vit-g14-reg',
    'gpfm_github_teacher': 'dinov2-vit-l14',
    'mmpretrain_vit_base_p16': 'vit-b16-in21k',
    'mae_pretrain_vit_base': 'vit-b16-in21k',
    'retfound_mae': 'vit-l16-in21k',
    'hipt_vit256_teacher': 'vit-s16-in21k',
}


def state_of(name: str) -> dict[str, torch.Tensor]:
    path = KEYS / f'{name}.json'
    if not path.is_file():
        pytest.skip(f'no {path.name} in {KEYS}; set CITE_TEST_KEYS')
    shapes = json.loads(path.read_text())
    return unwrap({k: torch.empty(shape, device='meta') for k, shape in shapes.items()}, name)


@pytest.mark.parametrize('name', LAYOUTS)
def test_published_layout_fills_the_zoo_model(name):
    state = state_of(name)
    card = CARDS[LAYOUTS[name]]
    with torch.device('meta'):
        model = timm.create_model(card.arch, weight_init='skip', **card.arch_kwargs)
    assert sum(family.matches(state) for family in FAMILIES[:-1]) <= 1, 'families overlap'
    load_strict(model, to_timm(state, model, card.pos_interp), name)


@pytest.mark.parametrize(
    'name', ['keep', 'ctranspath', 'bio_clinicalbert', 'timm_resnetv2_50x1_bit']
)
def test_other_architectures_are_not_taken_for_a_vit(name):
    with pytest.raises(CheckpointError, match='unknown checkpoint layout'):
        find_family(state_of(name))
