from __future__ import annotations

import copy
import warnings
from typing import Any

import pytest
import torch
from injected_towers import METHODS, PAIRS, features, made, moved, off, spec_of, with_tuning

from cite.errors import ConfigError
from cite.frozen import trainable
from cite.tuning import TUNINGS
from cite.tuning.injected import InjectedTuning
from cite.tuning.several import Several

everywhere = pytest.mark.parametrize(('method', 'kind'), PAIRS)
each_method = pytest.mark.parametrize('method', METHODS)


def gradients(tower: Any) -> dict[str, torch.Tensor]:
    tower.zero_grad()
    found = features(tower)
    (found * torch.linspace(-1, 1, found.numel()).view_as(found)).sum().backward()
    return {name: weight.grad for name, weight in trainable(tower).items()}


def test_every_method_of_the_kind_is_here():
    kinds = {name for name in TUNINGS.names() if issubclass(TUNINGS.get(name), InjectedTuning)}
    assert kinds == METHODS.keys()
    assert all(TUNINGS.get(name).paper and TUNINGS.get(name).group == 'peft' for name in kinds)


@everywhere
def test_starts_as_the_untouched_model(method, kind):
    tower, plain = made(method, kind), with_tuning(None, kind)
    assert off(features(tower), features(plain)) < 2e-6
    assert tower.digest == plain.digest
    assert tower.frozen_digest() == plain.digest


@everywhere
def test_what_trains_is_what_the_formula_says(method, kind):
    tower = made(method, kind)
    trained = trainable(tower)
    assert tower.tuning.trained_parameters(tower) == sum(
        value.numel() for value in trained.values()
    )
    assert trained and all(value.dtype == torch.float32 for value in trained.values())
    for name, _ in tower.named_parameters():
        assert tower.tuning.owns(name) == (name in trained or 'ranknum' in name), name
    plain = with_tuning(None, kind)
    assert {name for name, _ in tower.tuning.own_weights(tower.trunk.state_dict().items())} == set(
        plain.trunk.state_dict()
    )


@everywhere
def test_gradients_reach_all_of_it_and_nothing_frozen_moves(method, kind):
    tower = moved(made(method, kind)).train()
    before = {name: value.clone() for name, value in trainable(tower).items()}
    found = gradients(tower)
    assert all(grad is not None and grad.abs().sum() > 0 for grad in found.values())
    torch.optim.SGD(trainable(tower).values(), lr=1).step()
    assert not any(torch.equal(value, before[n]) for n, value in trainable(tower).items())
    assert tower.frozen_stands()
    assert tower.frozen_digest() == tower.digest


@everywhere
def test_a_state_dict_holds_it_alone_and_restores_it(method, kind):
    tower = moved(made(method, kind))
    state = {name: value.clone() for name, value in tower.state_dict().items()}
    assert state.keys() == trainable(tower).keys()
    other = made(method, kind, seed=9)
    assert off(features(other), features(tower)) > 1e-4
    other.load_state_dict(state, strict=True)
    assert torch.equal(features(other), features(tower))
    assert torch.equal(features(copy.deepcopy(tower)), features(tower))


@each_method
def test_two_blocks_only(method):
    tower = made(method, 'vit', blocks=[1, -1])
    numbers = {int(name.split('.')[2]) for name in trainable(tower)}
    assert numbers == {1, 2}
    assert tower.tuning.first_stage == 1
    entering: list[bool] = []
    for block in tower.blocks:
        block.register_forward_pre_hook(lambda _, args: entering.append(args[0].requires_grad))
    features(moved(tower).train())
    assert entering == [False, False, True]
    assert repr(tower.tuning).startswith(f'{method}(')
    assert repr(tower.tuning).endswith('blocks=[1, 2])')


@each_method
def test_a_half_precision_model_keeps_float32_adapters(method):
    plain = with_tuning(None, 'bert')
    trunk = plain.trunk.to(torch.bfloat16)
    options = {} if method == 'LNTuning' else {'targets': 'attn+mlp'}
    tuning = TUNINGS.build(spec_of(method, **options))
    parts = (plain.name, plain.tokenizer, trunk, plain.pool, plain.feature_dim, plain.limit)
    tower = type(plain)(*parts, tuning)
    assert {value.dtype for value in trainable(tower).values()} == {torch.float32}
    assert features(tower).dtype == torch.bfloat16
    assert all(grad.dtype == torch.float32 for grad in gradients(moved(tower).train()).values())
    assert tower.frozen_stands()


@each_method
def test_trained_weights_stay_float32_under_autocast(method):
    tower = moved(made(method, 'vit')).train()
    with torch.autocast('cpu', torch.bfloat16):
        found = gradients(tower)
    assert all(grad.dtype == torch.float32 and grad.abs().sum() > 0 for grad in found.values())


@pytest.mark.parametrize(
    ('method', 'dropout'),
    [(name, 0.5) for name in ('LoRA', 'RsLoRA', 'DoRA', 'AdaLoRA', 'LoHa', 'LoKr', 'VeRA', 'BOFT')],
)
def test_dropout_is_on_in_training_and_nothing_of_the_trunk_is(method, dropout):
    tower = moved(made(method, 'dino', dropout=dropout))
    tower.train()
    own = set(tower.tuning.put_in(tower.trunk))
    on = [name for name, module in tower.trunk.named_modules() if module.training]
    assert on and all(name in own or '_dropout' in name for name in on)
    assert not torch.equal(features(tower), features(tower))
    tower.eval()
    assert not any(module.training for module in tower.modules())
    assert torch.equal(features(tower), features(tower))
    assert f'dropout={dropout}' in repr(tower.tuning)


@each_method
def test_putting_it_in_warns_of_nothing(method):
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        for kind in ('vit', 'bert'):
            tower = made(method, kind)
            tower.tuning.merged_state(tower.trunk)


def test_two_of_them_share_a_tower_but_not_a_layer():
    specs = [spec_of('LoRA', targets='attn', dropout=0.5), spec_of('IA3', targets='mlp')]
    tower = moved(with_tuning(specs, 'vit')).train()
    assert isinstance(tower.tuning, Several)
    assert all(grad.abs().sum() > 0 for grad in gradients(tower).values())
    on = [name for name, module in tower.trunk.named_modules() if module.training]
    assert on and all('lora_dropout' in name for name in on)
    first, second = tower.tuning.parts
    for name in trainable(tower):
        assert first.owns(name) == ('.lora_' in name)
        assert second.owns(name) == ('.ia3_' in name)
        assert tower.tuning.group_of(name) == 'peft'
    assert tower.digest == with_tuning(None, 'vit').digest == tower.frozen_digest()
    assert tower.tuning.trained_parameters(tower) == sum(
        v.numel() for v in trainable(tower).values()
    )
    with pytest.raises(ConfigError, match=r'IA3: blocks\.0\.attn\.qkv is adapted by another'):
        with_tuning([spec_of('LoRA'), spec_of('IA3', targets='attn')], 'vit')


def test_beside_a_prompt():
    tower = with_tuning([{'type': 'VisualPrompt', 'length': 2}, spec_of('LoHa')], 'vit')
    found = gradients(moved(tower).train())
    assert 'tuning.parts.0.prompt' in found
    assert all(grad.abs().sum() > 0 for grad in found.values())
