from __future__ import annotations

import pytest
import torch

from cite.encoders.checkpoints import find_family, load_strict, open_clip_timm, to_timm
from cite.errors import CheckpointError

VIT = {'arch': 'vit_base_patch16_224', 'num_classes': 16}


def published(model):
    """Its weights in open_clip's names, beside a text half."""
    state = {
        f'visual.trunk.{k}': v for k, v in model.state_dict().items() if not k.startswith('head.')
    }
    text = {'text.proj.0.weight': torch.zeros(3, 3), 'logit_scale': torch.tensor(4.0)}
    return state | {'visual.head.proj.weight': model.head.weight.detach()} | text


@torch.no_grad()
def test_the_projection_is_the_head_without_a_bias(tiny_vit, images):
    model, loaded = tiny_vit(**VIT), tiny_vit(**VIT)
    state = published(model)
    assert find_family(state) is open_clip_timm
    for value in loaded.parameters():
        value.zero_()
    load_strict(loaded, to_timm(state, loaded), 'tiny pair')
    features = model.forward_head(model.forward_features(images), pre_logits=True)
    torch.testing.assert_close(loaded(images), features @ state['visual.head.proj.weight'].T)


def test_no_projection_without_a_head(tiny_vit):
    model = tiny_vit(VIT['arch'])
    load_strict(model, to_timm(published(tiny_vit(**VIT)), model), 'tiny pair')


def test_surprise_is_reported(tiny_vit):
    model = tiny_vit(**VIT)
    state = {**published(model), 'visual.trunk.extra.weight': torch.zeros(1)}
    with pytest.raises(CheckpointError, match=r'1 unexpected \(extra.weight\)'):
        load_strict(model, to_timm(state, model), 'tiny pair')
