"""How a run makes its model ready: frozen matrices in half precision, checkpointing, compiled blocks."""

from __future__ import annotations

import pytest
import torch

from cite.adapter import read_info
from cite.errors import ConfigError
from cite.mm.launch import train
from cite.mm.resolve import resolve
from cite.mm.runner import CiteRunner
from cite.serving import load


def trained(load_tiny, folder, **options):
    from safetensors.torch import load_file

    train(load_tiny(folder, {'model.precision': 'bf16', **options}))
    return load_file(folder / 'adapter.safetensors')


def test_training_over_held_matrices_gives_the_same_adapter(load_tiny, tmp_path, monkeypatch):
    held = trained(load_tiny, tmp_path / 'held')
    monkeypatch.setattr('cite.encoders.tuned.TunedTower.hold_frozen', lambda self, dtype: None)
    plain = trained(load_tiny, tmp_path / 'plain')
    assert held.keys() == plain.keys()
    assert all(torch.equal(held[name], plain[name]) for name in held)
    infos = [read_info(tmp_path / name / 'adapter.safetensors') for name in ('held', 'plain')]
    assert infos[0].tower_digest == infos[1].tower_digest
    predictor = load(tmp_path / 'held' / 'adapter.safetensors', device='cpu')
    weights = predictor.classifier.backbone.trunk.parameters()
    assert {weight.dtype for weight in weights} == {torch.float32}


def test_checkpointing_trains_the_same(load_tiny, tmp_path):
    plain = trained(load_tiny, tmp_path / 'plain')
    again = trained(load_tiny, tmp_path / 'again', **{'model.checkpointing': True})
    assert all(torch.equal(plain[name], again[name]) for name in plain)


@pytest.mark.parametrize('precision', ['bf16', 'fp32'])
def test_what_a_run_holds(tiny, precision):
    model = CiteRunner.from_cfg(tiny({'model.precision': precision})).bare_model
    wanted = torch.bfloat16 if precision == 'bf16' else torch.float32
    assert model.backbone.trunk.blocks[0].mlp.fc1.weight.dtype == wanted
    assert model.backbone.tuning.prompt.dtype == model.neck.weight.dtype == torch.float32


@pytest.mark.parametrize(
    ('option', 'value', 'message'),
    [
        ('compile', 'always', 'model.compile must be one of'),
        ('compile', 'cudagraphs', 'needs a GPU'),
        ('checkpointing', 'yes', 'model.checkpointing must be True or False'),
        ('channels_last', 'no', 'model.channels_last must be'),
    ],
)
def test_wrong_options_are_told_before_anything_is_built(tiny, option, value, message):
    with pytest.raises(ConfigError, match=message):
        resolve(tiny({f'model.{option}': value}), 'cpu')


@pytest.mark.slow
def test_compiled_blocks_train(load_tiny, tmp_path):
    plain = trained(load_tiny, tmp_path / 'plain')
    fast = trained(load_tiny, tmp_path / 'fast', **{'model.compile': 'auto'})
    assert plain.keys() == fast.keys()
    for name in plain:
        torch.testing.assert_close(fast[name], plain[name], atol=0.02, rtol=0.05)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_cuda_graphs_train(load_tiny, tmp_path):
    plain = trained(load_tiny, tmp_path / 'plain')
    fast = trained(load_tiny, tmp_path / 'fast', **{'model.compile': 'cudagraphs'})
    for name in plain:
        torch.testing.assert_close(fast[name], plain[name], atol=0.02, rtol=0.05)
