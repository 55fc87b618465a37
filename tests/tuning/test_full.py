from __future__ import annotations

import pytest
from tower_kinds import DEPTHS, TEXT, check_state, check_trains, size

from cite.errors import ConfigError
from cite.frozen import trainable


def spec(decay=None):
    return {'type': 'FullFineTuning', 'layer_decay': decay}


@pytest.mark.parametrize('kind', [*DEPTHS, 'convnext', *TEXT])
def test_everything_trains(towers, kind):
    check_trains(towers(kind, spec()))


@pytest.mark.parametrize('kind', ['vit', 'swin', 'bert'])
def test_state_dict(towers, kind):
    check_state(towers.maker(kind, spec(0.5)))


@pytest.mark.parametrize(
    ('kind', 'name', 'power'),
    [
        ('vit', 'norm.weight', 0),
        ('vit', 'blocks.2.mlp.fc1.weight', 1),
        ('vit', 'blocks.0.norm1.bias', 3),
        ('vit', 'cls_token', 4),
        ('vit', 'patch_embed.proj.weight', 4),
        ('swin', 'norm.bias', 0),
        ('swin', 'layers.1.blocks.1.attn.qkv.weight', 1),
        ('swin', 'layers.1.blocks.0.attn.qkv.weight', 2),
        ('swin', 'layers.1.downsample.reduction.weight', 2),
        ('swin', 'layers.0.blocks.0.attn.qkv.weight', 3),
        ('internimage', 'levels.0.downsample.conv.weight', 3),
        ('bert', 'embeddings.word_embeddings.weight', 3),
        ('bert', 'encoder.layer.1.output.dense.weight', 1),
        ('clip', 'text_projection.weight', 0),
    ],
)
def test_rates_fall_from_layer_to_layer(towers, kind, name, power):
    tower = towers(kind, spec(0.7))
    assert f'trunk.{name}' in trainable(tower)
    assert tower.tuning.lr_factor(f'trunk.{name}') == pytest.approx(0.7**power)
    assert towers(kind, spec()).tuning.lr_factor(f'trunk.{name}') == 1


def test_every_weight_has_a_factor(towers):
    tower = towers('vit', spec(0.5))
    factors = {tower.tuning.lr_factor(name) for name in trainable(tower)}
    assert factors == {1, 0.5, 0.25, 0.125, 0.0625}
    assert {tower.tuning.group_of(name) for name in trainable(tower)} == {'tower'}
    assert repr(tower.tuning) == 'FullFineTuning(layer_decay=0.5)'
    assert repr(towers('vit', spec()).tuning) == 'FullFineTuning()'
    assert size(tower) == sum(value.numel() for value in tower.trunk.parameters())


@pytest.mark.parametrize('decay', [0, 1.5, -0.5, '0.7'])
def test_wrong_decays(towers, decay):
    with pytest.raises(ConfigError, match='layer_decay must be a number above 0 and at most 1'):
        towers('vit', spec(decay))


def test_a_model_in_one_piece_has_no_layers(towers):
    with pytest.raises(
        ConfigError, match='layer_decay goes by blocks, and tiny is not taken apart'
    ):
        towers('convnext', spec(0.7))
