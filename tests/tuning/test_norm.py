from __future__ import annotations

import pytest
import torch
from torch import nn
from tower_kinds import TEXT, VISION, check_state, check_trains, features, fit, size, vision

from cite.errors import ConfigError
from cite.frozen import trainable
from cite.tuning import TUNINGS
from cite.tuning.base import EMBED
from cite.tuning.norm import is_norm

TUNING = 'LayerNormTuning'
EXAMPLES = {  # a weight that trains and one that does not
    'vit': ('blocks.1.norm2.bias', 'blocks.1.attn.qkv.bias'),
    'swin': ('layers.1.downsample.norm.weight', 'layers.1.downsample.reduction.weight'),
    'internimage': ('conv_head.1.0.weight', 'conv_head.0.weight'),
    'resnet': ('bn1.weight', 'conv1.0.weight'),
    'densenet': ('features.norm5.bias', 'features.conv0.weight'),
    'bert': ('embeddings.LayerNorm.weight', 'embeddings.word_embeddings.weight'),
    'llama': ('layers.0.input_layernorm.weight', 'layers.0.self_attn.q_proj.weight'),
    't5': ('encoder.final_layer_norm.weight', 'shared.weight'),
}


@pytest.mark.parametrize('kind', [*VISION, *TEXT])
def test_starts_as_the_untouched_tower(towers, kind):
    tower, plain = towers(kind, TUNING), towers(kind)
    assert torch.equal(features(tower), features(plain))
    assert tower.digest == plain.digest


@pytest.mark.parametrize('kind', [*VISION, *TEXT])
def test_trains_norms_and_nothing_else(towers, kind):
    tower = towers(kind, TUNING)
    norms = {
        f'trunk.{name}.{inner}'
        for name, module in tower.trunk.named_modules()
        if is_norm(module)
        for inner, _ in module.named_parameters(recurse=False)
    }
    assert trainable(tower).keys() == norms
    check_trains(tower)


@pytest.mark.parametrize('kind', EXAMPLES)
def test_examples(towers, kind):
    trained, frozen = EXAMPLES[kind]
    weights = dict(towers(kind, TUNING).trunk.named_parameters())
    assert weights[trained].requires_grad
    assert not weights[frozen].requires_grad


def test_counts(towers):
    tower = towers('vit', TUNING)
    assert size(tower) == (3 * 2 + 1) * 2 * 48
    assert repr(tower.tuning) == 'LayerNormTuning()'


def test_gradients_start_at_the_first_norm(towers):
    assert towers('vit', TUNING).tuning.first_stage == 0
    assert towers('bert', TUNING).tuning.first_stage == EMBED


@pytest.mark.parametrize(
    ('module', 'expected'),
    [
        (nn.LayerNorm(4), True),
        (nn.RMSNorm(4), True),
        (nn.GroupNorm(2, 4), True),
        (nn.BatchNorm2d(4), True),
        (nn.InstanceNorm2d(4), False),  # has no weights unless asked for
        (nn.LayerNorm(4, elementwise_affine=False), False),
        (nn.Linear(4, 4), False),
        (nn.Sequential(nn.LayerNorm(4)), False),
        (nn.PReLU(), False),
    ],
)
def test_what_a_norm_is(module, expected):
    assert is_norm(module) is expected


def test_statistics_of_batch_norm_stay(towers):
    tower = towers('resnet', TUNING).train()
    norms = [module for module in tower.trunk.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms and not any(norm.training for norm in norms)


@pytest.mark.parametrize('kind', ['vit', 'internimage', 'resnet', 'bert', 't5'])
def test_state_dict(towers, kind):
    check_state(towers.maker(kind, TUNING))


def test_it_learns():
    start, end = fit(vision('vit', TUNING), steps=30, lr=0.03)
    assert end < 0.5 * start


def test_a_model_without_norms():
    from tiny_models import tiny_tower, tiny_trunk

    trunk = tiny_trunk()
    for name, module in list(trunk.named_modules()):
        if is_norm(module):
            parent, _, child = name.rpartition('.')
            setattr(trunk.get_submodule(parent), child, nn.Identity())
    with pytest.raises(ConfigError, match='LayerNormTuning: tiny has no norm layers with weights'):
        tiny_tower({'type': TUNING}, trunk)
    with pytest.raises(ConfigError, match='has no option'):
        TUNINGS.build({'type': TUNING, 'blocks': 1})
