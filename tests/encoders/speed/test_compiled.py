from __future__ import annotations

import warnings

import pytest
import torch
from tiny_models import tiny_images, tiny_tower

from cite.encoders.speed import StepOptions
from cite.encoders.speed.compiled import _has_compiler, compile_blocks, compile_mode
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.precision import autocast

needs_compiler = pytest.mark.skipif(not _has_compiler(), reason='needs a C++ compiler')


def test_what_the_options_mean(monkeypatch):
    assert compile_mode(False, 'cpu') is None
    assert compile_mode(True, 'cpu') == 'default'
    assert compile_mode('auto', 'cuda') == 'default'
    assert compile_mode('cudagraphs', 'cuda') == 'reduce-overhead'
    for there, wanted in ((True, 'default'), (False, None)):
        monkeypatch.setattr('cite.encoders.speed.compiled._has_compiler', lambda there=there: there)
        assert compile_mode('auto', 'cpu') == wanted


def test_wrong_options():
    with pytest.raises(ConfigError, match=r"model.compile must be one of .* found 'yes'"):
        compile_mode('yes', 'cpu')
    with pytest.raises(ConfigError, match='needs a GPU'):
        compile_mode('cudagraphs', 'cpu')
    with pytest.raises(ConfigError, match=r'model.checkpointing must be True or False, found 2'):
        StepOptions(checkpointing=2).check('cpu')
    with pytest.raises(ConfigError, match=r'model.channels_last .* found None'):
        StepOptions(channels_last=None).check('cpu')


def gradients(tower, precision):
    tower.zero_grad()
    with autocast(precision, 'cpu'):
        features = tower.train()(tiny_images(4)).float()
    features.square().sum().backward()
    return features.detach(), {n: w.grad.clone() for n, w in trainable(tower).items()}


@pytest.mark.slow
@needs_compiler
@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
@pytest.mark.parametrize('tuning', [{'type': 'VisualPrompt', 'init': 'normal'}, {'type': 'LoRA'}])
def test_names_digest_and_results_stay(monkeypatch, tuning, precision):
    monkeypatch.setattr('cite.precision.pays', lambda: True)
    torch.manual_seed(0)
    plain = tiny_tower(tuning)
    torch.manual_seed(0)
    compiled = tiny_tower(tuning)
    StepOptions(compile=True).apply(compiled, 'cpu', precision)
    with warnings.catch_warnings():
        warnings.filterwarnings('error', message='.*cannot be compiled')
        features, grads = gradients(compiled, precision)
    wanted, wanted_grads = gradients(plain, precision)
    bound = 1e-4 if precision == 'fp32' else 0.03
    assert (features - wanted).norm() <= bound * wanted.norm()
    for name, grad in wanted_grads.items():
        assert (grads[name] - grad).norm() <= bound * grad.norm() + 1e-6, name
    assert compiled.trunk.state_dict().keys() == plain.trunk.state_dict().keys()
    assert compiled.digest == plain.digest and compiled.frozen_stands()


def test_where_it_fails_all_blocks_run_as_they_are_and_one_warning_says_so(monkeypatch):
    def refuse(*_args, **_kwargs):
        raise torch._dynamo.exc.InternalTorchDynamoError('no such thing')

    monkeypatch.setattr(torch, 'compile', lambda *_args, **_kwargs: refuse)
    tower, plain = tiny_tower(), tiny_tower()
    compile_blocks(tower.blocks, 'default')
    with pytest.warns(UserWarning, match='Block cannot be compiled, and runs as it is') as found:
        features = tower(tiny_images(2))
    assert len(found) == 1
    assert torch.equal(features, plain(tiny_images(2)))
    assert {block._compiled_call_impl for block in tower.blocks} == {None}
