from __future__ import annotations

import pytest
import torch

from cite.encoders.checkpoints import find_family, load_strict, timm_vit, to_timm
from cite.errors import CheckpointError


def test_leftovers_go_only_where_the_model_does_not_have_them(tiny_vit):
    state = tiny_vit(num_classes=7).state_dict()
    tower, classifier = tiny_vit(), tiny_vit(num_classes=7)
    assert find_family(state) is timm_vit
    left = ('head.*',)
    assert 'head.weight' not in to_timm(state, tower, leftovers=left)
    load_strict(tower, to_timm(state, tower, leftovers=left), 'tower')
    load_strict(classifier, to_timm(state, classifier, leftovers=left), 'classifier')
    with pytest.raises(CheckpointError, match=r'2 unexpected \(head\.bias, head\.weight\)'):
        load_strict(tower, to_timm(state, tower), 'tower')


def test_mae_training_file(tiny_vit):
    model = tiny_vit()
    state = {
        **model.state_dict(),
        'mask_token': torch.zeros(1, 1, 8),
        'decoder_pos_embed': torch.zeros(1, 5, 8),
        'decoder_blocks.0.norm1.weight': torch.zeros(8),
    }
    assert find_family(state) is timm_vit
    load_strict(model, to_timm(state, model, leftovers=('mask_token', 'decoder_*')), 'MAE')


def test_registers_keep_their_place_when_the_grid_changes(tiny_vit):
    stored = tiny_vit('vit_small_patch14_reg4_dinov2', img_size=56).state_dict()
    model = tiny_vit('vit_small_patch14_reg4_dinov2')
    load_strict(model, to_timm(stored, model, 'timm'), 'registers')
    assert torch.equal(model.reg_token, stored['reg_token'])
