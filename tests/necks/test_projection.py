from __future__ import annotations

import pytest
import torch
from torch import nn

from cite.errors import ConfigError
from cite.necks import NECKS
from cite.necks.projection import ProjectionNeck


def made(size_in: int = 60, size_out: int = 80, **options) -> ProjectionNeck:
    torch.manual_seed(0)
    neck = ProjectionNeck(**options)
    neck.attach(size_in, size_out)
    return neck


def test_inits():
    eye = torch.eye(80, 60)
    assert torch.equal(made(init='identity').weight, eye)
    for init, rest in (('normal', 0), ('normal_identity', eye)):
        noise = made(init=init).weight.detach() - rest
        assert noise.std().item() == pytest.approx(0.02, rel=0.05)
        assert abs(noise.mean().item()) < 0.002
    bound = 60**-0.5
    for init in ('kaiming_uniform', 'identity', 'normal', 'normal_identity'):
        bias = made(init=init).bias
        assert bias is not None
        assert bias.abs().max() <= bound
        assert bias.std().item() == pytest.approx(bound / 3**0.5, rel=0.2)
    weight = made(init='kaiming_uniform').weight
    assert weight.abs().max() <= bound
    assert weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)


def test_activations_before_and_after():
    neck = made(act_before='ReLU', act_after='Tanh')
    x = torch.randn(4, 60)
    linear = nn.functional.linear(x.relu(), neck.weight, neck.bias)
    torch.testing.assert_close(neck(x), linear.tanh())


def test_without_bias():
    neck = made(bias=False, init='identity')
    assert neck.bias is None
    assert set(neck.state_dict()) == {'weight'}
    x = torch.randn(4, 60)
    torch.testing.assert_close(neck(x), nn.functional.pad(x, (0, 20)))


def test_sizes_are_inferred():
    neck = ProjectionNeck()
    neck.attach(6, 9)
    assert (neck.in_features, neck.out_features, neck.weight.shape) == (6, 9, (9, 6))
    free = ProjectionNeck()
    free.attach(6, None)
    assert free.out_features == 6
    given = ProjectionNeck(out_features=5)
    given.attach(6, None)
    assert given.out_features == 5


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'in_features': 7}, 'in_features=7, but the tower gives 6'),
        ({'out_features': 8}, 'out_features=8, but the head takes 9'),
    ],
)
def test_conflicting_sizes(options, named):
    with pytest.raises(ConfigError, match=named):
        ProjectionNeck(**options).attach(6, 9)


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        ({'init': 'orthogonal'}, 'kaiming_uniform, normal, identity, normal_identity'),
        ({'act_before': 'Relu'}, "'Relu' is no activation"),
        ({'act_after': 'Module'}, "'Module' is no activation"),
        ({'act_after': 'Threshold'}, "'Threshold' is no activation"),
        ({'inp': 3}, "no option 'inp'"),
    ],
)
def test_wrong_options_are_named(options, named):
    with pytest.raises(ConfigError, match=named):
        NECKS.build({'type': 'ProjectionNeck', **options})
