from __future__ import annotations

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from torch import nn

from cite.errors import ConfigError, TrainingError
from cite.frozen import trainable
from cite.mm.launch import train
from cite.mm.optim import CiteOptimWrapper, TrainableConstructor
from cite.mm.runner import CiteRunner


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.tower = nn.Linear(3, 3).requires_grad_(False)
        self.neck = nn.Linear(3, 2)
        self.head = nn.Linear(2, 2)


def build(model, **config):
    config.setdefault('optimizer', {'type': 'SGD', 'lr': 0.1, 'weight_decay': 0.01})
    return build_optim_wrapper(model, {'constructor': 'TrainableConstructor', **config})


def test_the_optimiser_holds_what_trains_by_name_and_nothing_else():
    model = Model()
    wrapper = build(model)
    groups = wrapper.optimizer.param_groups
    assert isinstance(wrapper, CiteOptimWrapper)
    assert [group['name'] for group in groups] == list(trainable(model))
    assert [id(p) for group in groups for p in group['params']] == [
        id(p) for p in trainable(model).values()
    ]
    assert {group['lr'] for group in groups} == {0.1}


def test_of_a_run_too(tiny):
    runner = CiteRunner.from_cfg(tiny())
    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    names = [group['name'] for group in wrapper.optimizer.param_groups]
    assert names == ['backbone.tuning.prompt', 'neck.weight', 'neck.bias']
    assert names == list(trainable(runner.bare_model))


def test_custom_keys_scale_rate_and_decay_and_the_longest_counts():
    keys = {'neck': {'lr_mult': 0.5}, 'neck.bias': {'lr_mult': 0.1, 'decay_mult': 0.0}}
    groups = build(Model(), paramwise_cfg={'custom_keys': keys}).optimizer.param_groups
    rates = {group['name']: (group['lr'], group['weight_decay']) for group in groups}
    assert rates['neck.weight'] == pytest.approx((0.05, 0.01))
    assert rates['neck.bias'] == pytest.approx((0.01, 0.0))
    assert rates['head.weight'] == pytest.approx((0.1, 0.01))


def test_keys_that_fit_nothing_are_told():
    with pytest.raises(ConfigError, match=r"\['backbone'\] fit no trained weight: neck\.weight"):
        build(Model(), paramwise_cfg={'custom_keys': {'backbone': {'lr_mult': 2}}})
    with pytest.raises(ConfigError, match='takes only custom_keys'):
        TrainableConstructor({}, {'norm_decay_mult': 0.0})


def test_nothing_trains():
    with pytest.raises(TrainingError, match=r'nothing in this model trains.*cite test CONFIG'):
        build(nn.Linear(2, 2).requires_grad_(False))


def test_accumulated_gradients_make_one_step_of_the_whole_batch():
    inputs = torch.randn(8, 3, generator=torch.Generator().manual_seed(0))
    results = []
    for count in (1, 4):
        torch.manual_seed(0)
        model = Model()
        wrapper = build(model, accumulative_counts=count)
        for part in inputs.chunk(count):
            with wrapper.optim_context(model):
                loss = model.head(model.neck(part)).square().mean()
            wrapper.update_params(loss)
        results.append(model.neck.weight.detach().clone())
    torch.testing.assert_close(results[0], results[1])


def test_gradients_are_clipped():
    model = Model()
    wrapper = build(model, clip_grad={'max_norm': 1e-3}, optimizer={'type': 'SGD', 'lr': 1.0})
    before = [p.detach().clone() for p in trainable(model).values()]
    wrapper.update_params(100 * model.head(model.neck(torch.ones(1, 3))).square().sum())
    moved = [(p - q).square().sum() for p, q in zip(trainable(model).values(), before, strict=True)]
    assert sum(moved).sqrt().item() == pytest.approx(1e-3, rel=1e-3)


def test_loss_scaling_is_saved_where_there_is_any():
    plain = build(Model())
    assert 'loss_scaler' not in plain.state_dict()
    plain.load_state_dict({**plain.state_dict(), 'loss_scaler': {'scale': 2.0}})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs CUDA')
def test_loss_scaling_comes_back():
    wrapper = build(Model().cuda(), loss_scaling=True)
    wrapper.update_params(wrapper.optimizer.param_groups[0]['params'][0].sum())
    state = wrapper.state_dict()
    other = build(Model().cuda(), loss_scaling=True)
    other.load_state_dict(state)
    assert other.scaler.state_dict() == state['loss_scaler']


# -- runs ------------------------------------------------------------------------------------------


def test_training_with_accumulation_clipping_and_factors(tiny, read_checkpoint, tmp_path):
    cfg = tiny({'train_cfg.max_iters': 4})
    cfg.optim_wrapper.update(
        accumulative_counts=2,
        clip_grad={'max_norm': 1.0},
        paramwise_cfg={'custom_keys': {'tuning': {'lr_mult': 10.0}}},
    )
    train(cfg)
    checkpoint = read_checkpoint(tmp_path / 'run' / 'iter_4.pth')
    assert {int(s['step']) for s in checkpoint['optimizer']['state'].values()} == {2}
    rates = {g['name']: g['initial_lr'] for g in checkpoint['optimizer']['param_groups']}
    assert rates['backbone.tuning.prompt'] == pytest.approx(10 * rates['neck.weight'])


def test_the_best_known_run_learns(finished, read_checkpoint):
    losses = read_checkpoint(finished / 'iter_8.pth')['message_hub']['log_scalars']['train/loss'][0]
    assert losses[-1] < 0.5 * losses[0]


def test_vectors_may_be_left_undecayed_unless_a_key_says_otherwise():
    paramwise = {'decay_vectors': False, 'custom_keys': {'head.bias': {'decay_mult': 0.5}}}
    groups = build(Model(), paramwise_cfg=paramwise).optimizer.param_groups
    decay = {group['name']: group['weight_decay'] for group in groups}
    assert decay == {
        'neck.weight': 0.01,
        'neck.bias': 0.0,
        'head.weight': 0.01,
        'head.bias': 0.005,
    }


def gradient_steps(monkeypatch, counts, batches, max_iters):
    """Gradients at each step of the optimiser, by CiteOptimWrapper over those batches."""
    torch.manual_seed(0)
    model = nn.Linear(3, 2)
    wrapper = build(model, accumulative_counts=counts)
    wrapper.initialize_count_status(model, 0, max_iters)
    found = []
    step = wrapper.optimizer.step

    def noted(*args, **kwargs):
        found.append(model.weight.grad.clone())
        return step(*args, **kwargs)

    monkeypatch.setattr(wrapper.optimizer, 'step', noted)
    for images, labels in batches:
        with wrapper.optim_context(model):
            loss = nn.functional.cross_entropy(model(images), labels)
        wrapper.update_params(loss)
    return found


def test_two_batches_of_four_give_the_gradients_of_one_of_eight(monkeypatch):
    images, labels = torch.randn(20, 3), torch.arange(20) % 2
    small = [(images[i : i + 4], labels[i : i + 4]) for i in range(0, 20, 4)]
    large = [(images[i : i + 8], labels[i : i + 8]) for i in (0, 8, 16)]
    several = gradient_steps(monkeypatch, 2, small, 5)
    whole = gradient_steps(monkeypatch, 1, large, 3)
    assert len(several) == len(whole) == 3  # the last is of the one batch that is left
    for mine, wanted in zip(several, whole, strict=True):
        torch.testing.assert_close(mine, wanted)


def test_a_run_accumulates_and_steps_at_the_end(tiny, monkeypatch):
    steps = []
    monkeypatch.setattr(CiteOptimWrapper, 'step', lambda self, **_: steps.append(self._inner_count))
    train(tiny({'optim_wrapper.accumulative_counts': 3}))
    assert steps == [3, 6, 8]
