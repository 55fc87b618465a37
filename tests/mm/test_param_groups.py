"""Groups of weights: which there are, and what `paramwise_cfg` makes of them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmengine.optim import CosineAnnealingLR, LinearLR, build_optim_wrapper
from tiny_models import tiny_tower
from torch import nn

from cite.errors import ConfigError
from cite.frozen import trainable
from cite.mm.launch import train
from cite.mm.param_groups import places_of
from cite.mm.runner import CiteRunner
from cite.tuning import build_tuning

PROMPT = {'type': 'VisualPrompt', 'init': 'normal'}
LORA = {'type': 'LoRA', 'r': 2}
OPTIMIZER = {'type': 'AdamW', 'lr': 0.01, 'weight_decay': 0.1}


class Model(nn.Module):
    def __init__(self, tuning: Any = None) -> None:
        super().__init__()
        self.backbone = tiny_tower()
        if tuning is not None:
            self.backbone = type(self.backbone)(
                self.backbone.card, self.backbone.trunk, build_tuning(tuning)
            )
        self.neck = nn.Linear(48, 4)
        self.head = nn.Linear(4, 3)


def rates(model: nn.Module, optimizer: Any = None, **paramwise: Any) -> dict[str, tuple[Any, Any]]:
    """Name → learning rate and weight decay."""
    wrapper = build(model, optimizer, **paramwise)
    return {g['name']: (g['lr'], g.get('weight_decay')) for g in wrapper.optimizer.param_groups}


def build(model: nn.Module, optimizer: Any = None, **paramwise: Any) -> Any:
    config = {'constructor': 'TrainableConstructor', 'optimizer': optimizer or OPTIMIZER}
    return build_optim_wrapper(model, {**config, 'paramwise_cfg': paramwise})


def test_every_trained_weight_is_in_a_group():
    model = Model([PROMPT, LORA, 'LayerNormTuning'])
    groups = {n: place.group for n, place in places_of(model, list(trainable(model))).items()}
    assert groups.keys() == trainable(model).keys()
    assert groups['backbone.tuning.parts.0.prompt'] == 'prompt'
    assert {group for name, group in groups.items() if '.lora_' in name} == {'peft'}
    assert groups['backbone.trunk.norm.weight'] == 'tower'
    assert (groups['neck.weight'], groups['head.bias']) == ('neck', 'head')


def test_factors_and_values_of_groups():
    found = rates(
        Model(PROMPT),
        groups={
            'prompt': {'lr_mult': 10, 'decay_mult': 0},
            'head': {'lr': 1e-3, 'weight_decay': 0.02},
            'neck': {'decay_mult': 0.5},
        },
    )
    assert found['backbone.tuning.prompt'] == pytest.approx((0.1, 0.0))
    assert found['head.weight'] == found['head.bias'] == pytest.approx((1e-3, 0.02))
    assert found['neck.weight'] == pytest.approx((0.01, 0.05))
    assert set(rates(Model(PROMPT)).values()) == {(0.01, 0.1)}


def test_keys_go_before_groups_option_by_option():
    found = rates(
        Model(PROMPT),
        groups={'head': {'lr': 1e-3, 'weight_decay': 0.02}},
        custom_keys={'head.bias': {'lr_mult': 3}, 'neck': {'weight_decay': 0.3, 'lr': 0.5}},
    )
    assert found['head.weight'] == pytest.approx((1e-3, 0.02))
    assert found['head.bias'] == pytest.approx((0.03, 0.02))
    assert found['neck.bias'] == pytest.approx((0.5, 0.3))


def test_undecayed_vectors_stay_undecayed_in_a_group():
    found = rates(Model(), decay_vectors=False, groups={'head': {'weight_decay': 0.02}})
    assert (found['head.weight'][1], found['head.bias'][1]) == (0.02, 0.0)
    assert (found['neck.weight'][1], found['neck.bias'][1]) == (0.1, 0.0)


def test_the_tunings_factor_multiplies():
    model = Model({'type': 'FullFineTuning', 'layer_decay': 0.5})
    found = rates(model, groups={'tower': {'lr_mult': 0.1}}, custom_keys={'blocks.0.': {'lr': 8.0}})
    assert found['backbone.trunk.norm.weight'][0] == pytest.approx(1e-3)
    assert found['backbone.trunk.blocks.2.norm1.weight'][0] == pytest.approx(0.5e-3)
    assert found['backbone.trunk.pos_embed'][0] == pytest.approx(1e-3 / 16)
    assert found['backbone.trunk.blocks.0.norm1.weight'][0] == pytest.approx(8 / 8)
    assert found['head.weight'] == pytest.approx((0.01, 0.1))
    assert rates(model)['backbone.trunk.blocks.2.norm1.weight'][0] == pytest.approx(0.005)


@pytest.mark.parametrize('name', ['SGD', 'Adam', 'AdamW', 'Adagrad', 'RMSprop', 'Rprop', 'NAdam'])
def test_optimisers_of_all_kinds_take_them(name):
    model = Model('BitFit')
    options = {'type': name, 'lr': 0.01}
    wrapper = build(model, options, groups={'tower': {'lr_mult': 2}, 'head': {'lr': 0.0}})
    frozen = {n: p.clone() for n, p in model.named_parameters() if not p.requires_grad}
    head = model.head.weight.detach().clone()
    bias = model.backbone.trunk.norm.bias.detach().clone()
    images = torch.rand(2, 3, 32, 32)
    wrapper.update_params(model.head(model.neck(model.backbone(images))).square().mean())
    after = dict(model.named_parameters())
    assert all(torch.equal(value, after[n]) for n, value in frozen.items())
    assert name == 'Rprop' or torch.equal(model.head.weight, head)  # a rate of 0
    assert not torch.equal(model.backbone.trunk.norm.bias, bias)


def test_rates_that_the_config_leaves_to_the_optimiser():
    found = rates(Model(), {'type': 'AdamW'}, groups={'head': {'lr_mult': 2, 'decay_mult': 3}})
    assert found['head.weight'] == pytest.approx((2e-3, 0.03))
    assert found['neck.weight'] == pytest.approx((1e-3, 0.01))


def test_a_setting_that_the_optimiser_lacks():
    with pytest.raises(
        ConfigError, match=r'sets weight_decay of head\.weight.*has no weight_decay'
    ):
        rates(Model(), {'type': 'Rprop', 'lr': 0.1}, groups={'head': {'weight_decay': 0.1}})
    found = rates(Model(), {'type': 'Rprop', 'lr': 0.1}, decay_vectors=False)
    assert found['head.bias'] == (0.1, None)


@pytest.mark.parametrize('warmup', [True, False])
def test_schedules_keep_the_ratios(warmup):
    wrapper = build(Model(PROMPT), groups={'prompt': {'lr_mult': 10}, 'head': {'lr': 1e-3}})
    schedule: Any = (
        LinearLR(wrapper, start_factor=0.1, begin=0, end=5, by_epoch=False)
        if warmup
        else CosineAnnealingLR(wrapper, T_max=8, eta_min=0.0, by_epoch=False)
    )
    groups = {group['name']: group for group in wrapper.optimizer.param_groups}
    seen = set()
    for _ in range(4):
        lr = {name: group['lr'] for name, group in groups.items()}
        assert lr['backbone.tuning.prompt'] == pytest.approx(10 * lr['neck.weight'])
        assert lr['head.weight'] == pytest.approx(0.1 * lr['neck.weight'])
        seen.add(round(lr['neck.weight'], 8))
        wrapper.optimizer.step()
        schedule.step()
    assert len(seen) == 4


@pytest.mark.parametrize(
    ('paramwise', 'says'),
    [
        ({'groups': {'peft': {'lr_mult': 2}}}, r"in 'peft'; .* are 'prompt', 'neck', 'head'"),
        ({'groups': {'heads': {'lr': 2}}}, "no trained weight is in 'heads'"),
        (
            {'groups': {'head': {'rate': 2}}},
            r"groups\['head'\] takes lr, lr_mult, weight_decay, dec",
        ),
        ({'groups': {'head': {}}}, r"groups\['head'\] takes lr"),
        ({'groups': {'head': {'lr': 1, 'lr_mult': 2}}}, 'takes lr or lr_mult, found both'),
        (
            {'groups': {'head': {'weight_decay': 1, 'decay_mult': 2}}},
            'takes weight_decay or decay_mult, found both',
        ),
        ({'groups': {'head': {'lr': -1}}}, r"numbers of at least 0, found \{'lr': -1\}"),
        ({'groups': {'head': {'lr': '1e-3'}}}, "found {'lr': '1e-3'}"),
        ({'custom_keys': {'neck': {'lr_multi': 2}}}, r"custom_keys\['neck'\] takes lr"),
        ({'custom_keys': {'nick': {'lr_mult': 2}}}, r"custom_keys \['nick'\] fit no trained"),
        ({'group': {}}, r'takes only custom_keys, decay_vectors, groups here'),
    ],
)
def test_what_it_refuses(paramwise, says):
    with pytest.raises(ConfigError, match=says):
        rates(Model(PROMPT), **paramwise)


# -- runs ------------------------------------------------------------------------------------------


def test_of_a_run_with_several_tunings(tiny, read_checkpoint, tmp_path):
    cfg = tiny({'train_cfg.max_iters': 2})
    cfg.model.backbone.tuning = [PROMPT, LORA]
    cfg.optim_wrapper.paramwise_cfg = {
        'groups': {'prompt': {'lr_mult': 10}, 'peft': {'lr': 1e-3}, 'neck': {'weight_decay': 0.0}}
    }
    train(cfg)
    saved = read_checkpoint(tmp_path / 'run' / 'iter_2.pth')['optimizer']['param_groups']
    groups = {group['name']: group for group in saved}
    assert groups['backbone.tuning.parts.0.prompt']['initial_lr'] == pytest.approx(3e-2)
    lora = [group['initial_lr'] for name, group in groups.items() if '.lora_' in name]
    assert lora and set(lora) == {1e-3}
    assert groups['neck.weight']['weight_decay'] == 0
    assert groups['neck.weight']['initial_lr'] == pytest.approx(3e-3)


def test_of_a_run_by_name(tiny):
    runner = CiteRunner.from_cfg(tiny())
    weights = list(trainable(runner.bare_model))
    assert {n: p.group for n, p in places_of(runner.bare_model, weights).items()} == {
        'backbone.tuning.prompt': 'prompt',
        'neck.weight': 'neck',
        'neck.bias': 'neck',
    }
