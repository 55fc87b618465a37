"""What all bottleneck adapters have in common; where each stands is tested in its own file."""

from __future__ import annotations

import pytest
import torch
from small_adapter import build, pictures
from torch import nn
from tower_kinds import (
    TEXT,
    check_autocast,
    check_state,
    check_trains,
    features,
    fit,
    step,
    vision,
)

from cite.adapter import save_adapter
from cite.encoders.towers.tower import VisionTower
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.images import image_batches
from cite.serving.rebuild import load_adapter
from cite.tuning.bottleneck import ACTIVATIONS, Bottleneck

METHODS = ('HoulsbyAdapter', 'PfeifferAdapter', 'AdaptFormer')
KINDS = ('vit', 'layerscale', 'swin', 'internimage', *TEXT)
CASES = [(method, kind) for method in METHODS for kind in KINDS]


def spec(method: str, **options):
    return {'type': method, 'width': 8, **options}


@pytest.mark.parametrize('activation', ACTIVATIONS)
def test_computes_the_formula(activation):
    module = Bottleneck(6, 4, activation, scale=0.5)
    x = torch.randn(2, 3, 5, 6)
    assert not module(x).any()
    for value in module.parameters():
        nn.init.normal_(value)
    inner = getattr(torch.nn.functional, activation, torch.tanh)(
        x @ module.down.weight.T + module.down.bias
    )
    expected = 0.5 * (inner @ module.up.weight.T + module.up.bias)
    torch.testing.assert_close(module(x), expected)
    assert Bottleneck.size(6, 4) == sum(value.numel() for value in module.parameters())
    half = module(x.bfloat16())
    assert half.dtype == torch.bfloat16
    torch.testing.assert_close(half.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize(('method', 'kind'), CASES)
def test_starts_as_the_untouched_tower(towers, method, kind):
    tower, plain = towers(kind, spec(method)), towers(kind)
    assert torch.equal(features(tower), features(plain))
    assert tower.digest == plain.digest
    names = dict(tower.trunk.named_modules()).keys()
    assert names == dict(plain.trunk.named_modules()).keys()


@pytest.mark.parametrize(('method', 'kind'), CASES)
def test_trains_all_of_itself_and_nothing_else(towers, method, kind):
    tower = towers(kind, spec(method))
    check_trains(tower)
    assert {name.split('.')[0] for name in trainable(tower)} == {'tuning'}
    assert {tower.tuning.group_of(name) for name in trainable(tower)} == {'peft'}


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('kind', ['vit', 'swin', 'bert', 'clip', 't5'])
def test_state_dict(towers, method, kind):
    check_state(towers.maker(kind, spec(method)))


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize('kind', ['vit', 'bert', 'clip'])
def test_autocast(towers, method, kind):
    check_autocast(towers.maker(kind, spec(method)))


@pytest.mark.parametrize('method', METHODS)
def test_a_copy_of_a_tower_has_adapters_of_its_own(towers, method):
    import copy

    tower = towers('vit', spec(method))
    copied = copy.deepcopy(tower)
    before = features(tower)
    step(copied)
    assert torch.equal(features(tower), before)
    assert not torch.equal(features(copied), before)


@pytest.mark.parametrize('method', METHODS)
def test_blocks_decide_what_stands_where_and_where_gradients_start(towers, method):
    tower = towers('vit', spec(method, blocks=[-1, 1]))
    assert list(tower.tuning.adapters) == ['1', '2']
    assert tower.tuning.first_stage == 1
    check_trains(tower)
    flows = []
    for block in tower.blocks:
        block.register_forward_hook(lambda _m, _i, out: flows.append(out.requires_grad))
    features(tower)
    assert flows == [False, True, True]


@pytest.mark.parametrize('method', METHODS)
def test_reduction_follows_the_width_of_the_block(towers, method):
    tower = towers('swin', {'type': method, 'width': None, 'reduction': 4})
    widths = {
        int(name.split('.')[2]): value.shape[0]
        for name, value in trainable(tower).items()
        if name.endswith('down.weight')
    }
    assert widths == {0: 4, 1: 8, 2: 8}
    check_trains(tower)
    narrow = towers('swin', {'type': method, 'width': None, 'reduction': 1000})
    assert narrow.tuning.trained_parameters(narrow) > 0


def test_the_seed_decides_the_start(towers):
    first, same, other = (towers('vit', spec('AdaptFormer'), seed) for seed in (1, 1, 2))
    key = 'tuning.adapters.0.mlp.down.weight'
    assert torch.equal(first.state_dict()[key], same.state_dict()[key])
    assert not torch.equal(first.state_dict()[key], other.state_dict()[key])


@pytest.mark.parametrize('method', METHODS)
@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'reduction': 0}, 'reduction must be a whole number of at least 1, found 0'),
        ({'width': 2.5}, 'width must be a whole number.*2.5'),
        ({'activation': 'swish'}, "one of relu, gelu, silu, tanh, found 'swish'"),
        ({'blocks': 'last'}, "'all' or block numbers, found 'last'"),
        ({'blocks': [3]}, r'\[3\] are outside a tower of 3 blocks'),
        ({'size': 4}, 'has no option'),
    ],
)
def test_wrong_options_are_named(towers, method, options, named):
    with pytest.raises(ConfigError, match=f'{method}.*{named}'):
        towers('vit', {'type': method, **options})


@pytest.mark.parametrize('method', METHODS)
def test_it_learns(towers, method):
    torch.manual_seed(0)
    start, end = fit(vision('vit', spec(method)), steps=40, lr=0.03)
    assert end < 0.5 * start


@pytest.mark.parametrize('method', METHODS)
def test_an_adapter_file_brings_it_back(tmp_path, method):
    classifier, info = build(tuning=spec(method))
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    loaded, _ = load_adapter(path)
    assert isinstance(loaded.backbone, VisionTower)
    (batch,) = image_batches(pictures(2), classifier.backbone.resize, 2)
    with torch.inference_mode():
        assert torch.equal(loaded(batch), classifier(batch))


@pytest.mark.parametrize('method', METHODS)
def test_beside_a_model_in_half_precision(towers, method):
    tower = towers('llama', spec(method))
    tower.trunk.bfloat16()
    grads = step(tower)
    assert {grad.dtype for grad in grads.values()} == {torch.float32}
    hidden = tower.trunk(**tower.tokenize(['gland'])).last_hidden_state
    assert hidden.dtype == torch.bfloat16
