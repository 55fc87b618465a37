from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_models import tiny_card
from tower_kinds import DEPTHS, TEXT, check_state, check_trains, features, fit, size, vision

from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.tuning import build_tuning

KINDS = (*DEPTHS, *TEXT)
BEHIND = {  # what of a kind stands behind its blocks
    'vit': {'norm'},
    'swin': {'norm'},
    'internimage': {'conv_head'},
    'densenet': {'features.norm5'},
    'resnet': set(),
    'bert': set(),  # its pooler has no part in the feature
    'clip': {'text_model.final_layer_norm', 'text_projection'},
    'biogpt': {'layer_norm'},
    'llama': {'norm'},
    'gpt2': {'ln_f'},
    't5': {'encoder.final_layer_norm'},
}


def spec(**options):
    return {'type': 'LastBlocks', **options}


def trained(tower):
    return {name.removeprefix('trunk.') for name in trainable(tower)}


@pytest.mark.parametrize('kind', KINDS)
def test_starts_as_the_untouched_tower(towers, kind):
    tower, plain = towers(kind, spec()), towers(kind)
    assert torch.equal(features(tower), features(plain))
    assert tower.digest == plain.digest


@pytest.mark.parametrize('kind', KINDS)
@pytest.mark.parametrize('k', [1, 2])
def test_trains_what_it_says_and_nothing_else(towers, kind, k):
    check_trains(towers(kind, spec(k=k)))


@pytest.mark.parametrize('kind', BEHIND)
def test_what_stands_behind_the_blocks_may_train_too(towers, kind):
    more = trained(towers(kind, spec())) - trained(towers(kind, spec(norm=False)))
    assert {name for name in more if not name.startswith(tuple(BEHIND[kind]) or '-')} == set()
    assert all(any(name.startswith(part) for name in more) for part in BEHIND[kind])


def test_names(towers):
    assert {name.split('.')[1] for name in trained(towers('vit', spec(k=2, norm=False)))} == {
        '1',
        '2',
    }
    whole = trained(towers('vit', spec(k=2, norm=False)))
    plain = dict(towers('vit').trunk.named_parameters())
    assert whole == {name for name in plain if name.startswith(('blocks.1.', 'blocks.2.'))}
    assert 'layers.1.downsample.reduction.weight' in trained(towers('swin', spec(k=2)))
    assert 'layers.1.downsample.reduction.weight' not in trained(towers('swin', spec(k=1)))


def test_an_attentional_pooler_and_a_projection_train_with_it():
    kwargs = {'depth': 2, 'embed_dim': 48, 'num_heads': 3, 'patch_size': 8}
    card = replace(tiny_card('projection', 16, arch_kwargs=kwargs), tower='PooledViT')
    tower = VisionTower(card, random_trunk(card, 32).eval(), build_tuning(spec()))
    tops = {name.split('.')[0] for name in trained(tower)}
    assert tops == {'blocks', 'norm', 'attn_pool', 'fc_norm', 'head'}
    check_trains(tower)


def test_a_bias_without_a_part_in_the_feature_never_trains(towers):
    from tiny_models import tiny_tower, tiny_trunk

    tower = tiny_tower(spec(), tiny_trunk(num_classes=8), feature='projection', feature_dim=8)
    assert 'head.weight' in trained(tower)
    assert 'head.bias' not in trained(tower)


@pytest.mark.parametrize('k', [1, 2, 3])
def test_gradients_start_at_the_first_of_them(towers, k):
    tower = towers('vit', spec(k=k))
    assert tower.tuning.first_stage == 3 - k
    flows = []
    for block in tower.blocks:
        block.register_forward_hook(lambda _m, _i, out: flows.append(out.requires_grad))
    features(tower)
    assert flows == [index >= 3 - k for index in range(3)]


def test_counts(towers):
    block = 2 * 2 * 48 + (48 + 1) * 144 + (48 + 1) * 48 + (48 + 1) * 192 + (192 + 1) * 48
    assert size(towers('vit', spec(k=2))) == 2 * block + 2 * 48
    assert size(towers('vit', spec(norm=False))) == block
    assert repr(towers('vit', spec(k=2)).tuning) == 'LastBlocks(k=2)'
    assert repr(towers('vit', spec(norm=False)).tuning) == 'LastBlocks(k=1, norm=False)'


@pytest.mark.parametrize('kind', ['vit', 'swin', 'densenet', 'bert', 't5'])
def test_state_dict(towers, kind):
    check_state(towers.maker(kind, spec()))


def test_it_learns():
    start, end = fit(vision('vit', spec()), steps=30)
    assert end < 0.5 * start


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'k': 0}, 'k must be a whole number of at least 1, found 0'),
        ({'k': True}, 'k must be'),
        ({'k': 1.5}, '1.5'),
        ({'k': 4}, 'k=4 is more than the 3 blocks of tiny'),
        ({'norm': 'yes'}, "norm must be True or False, found 'yes'"),
    ],
)
def test_wrong_options_are_named(towers, options, named):
    with pytest.raises(ConfigError, match=f'LastBlocks: .*{named}'):
        towers('vit', spec(**options))


def test_a_model_in_one_piece(towers):
    with pytest.raises(ConfigError, match=r"LastBlocks: tiny is not taken apart.*'BitFit'"):
        towers('convnext', spec())
