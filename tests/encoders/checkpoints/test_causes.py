"""What strict loading guesses of weights that do not fit."""

from __future__ import annotations

import re

import pytest
import torch
from timm.layers import SwiGLUPacked
from torch import nn

from cite.encoders.checkpoints import load_strict
from cite.encoders.checkpoints.causes import fitting
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import CARDS
from cite.errors import CheckpointError

REG = 'vit_small_patch14_reg4_dinov2'


def told(model: nn.Module, state: dict[str, torch.Tensor]) -> str:
    """What the error says behind its names and shapes."""
    with pytest.raises(CheckpointError) as caught:
        load_strict(model, state, 'w.pth')
    return str(caught.value)


def zoo_state(name: str) -> dict[str, torch.Tensor]:
    card = CARDS[name]
    with torch.device('meta'):
        return random_trunk(card, card.image_size).state_dict()


@pytest.mark.parametrize(
    ('weights', 'model', 'cause'),
    [
        ({'patch_size': 7}, {}, 'cut images into patches of 7 pixels, the model into 14'),
        ({'embed_dim': 96}, {}, 'are 96 wide, the model 48'),
        ({'depth': 3}, {}, 'have 3 layers in blocks, the model 2'),
        ({'mlp_layer': SwiGLUPacked}, {}, r'is gated \(SwiGLU\), that of the model plain'),
        ({'arch': REG}, {'init_values': 1e-5}, 'have 4 registers, the model none'),
        ({}, {'arch': REG}, 'have no registers, the model 4'),
        ({'init_values': 1e-5}, {}, 'have LayerScale, the model has none'),
        ({}, {'init_values': 1e-5}, 'have no LayerScale, the model has it'),
        (
            {'global_pool': 'avg'},
            {},
            r'behind a mean of the patches \(fc_norm\), that of the model on',
        ),
        ({'img_size': 56}, {}, 'have 17 positions, the model 5'),
    ],
)
def test_difference_is_named(tiny_vit, weights, model, cause):
    assert cause.replace('\\', '') in told(tiny_vit(**model), tiny_vit(**weights).state_dict())


def test_prefix_is_named(tiny_vit):
    state = {f'tower.{key}': value for key, value in tiny_vit().state_dict().items()}
    assert "Its names begin with 'tower.', the model's do not" in told(tiny_vit(), state)
    wrapped = nn.ModuleDict({'tower': tiny_vit()})
    assert "The model's names begin with 'tower.'" in told(wrapped, tiny_vit().state_dict())


def test_text_encoders_are_named(tiny_vit):
    state = {'embeddings.word_embeddings.weight': torch.zeros(9, 4), 'encoder.x': torch.zeros(1)}
    assert 'load it with load_text' in told(tiny_vit(), state)


def test_anything_else_is_another_architecture(tiny_vit):
    state = {'stage.conv.weight': torch.zeros(2, 2)}
    assert 'They are probably of another architecture. Use the' in told(tiny_vit(), state)


def test_models_of_the_zoo_that_the_weights_are_for_are_named():
    small = zoo_state('vit-s16-in21k')
    shapes = {k: tuple(v.shape) for k, v in small.items()}
    assert re.search(r'^\S+ and \d+ more$', fitting(shapes, most=1))
    assert not fitting({k: v for k, v in shapes.items() if not k.startswith('blocks.11.')})
    assert not fitting({'a': (2,)})
    message = told(random_trunk(CARDS['random-vit-tiny'], 112), small)
    assert 'are 384 wide, the model 192' in message
    assert 'Models of the zoo with such weights: ' in message
    assert 'vit-s16-in21k' in message.rpartition(': ')[2]


def test_weights_with_something_besides(tiny_vit):
    model = tiny_vit()
    said = told(model, {**model.state_dict(), 'aux.weight': torch.zeros(3)})
    assert '1 unexpected (aux.weight)' in said
    assert "All of the model's weights are there" in said
    assert 'another architecture' not in said
