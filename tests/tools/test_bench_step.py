from __future__ import annotations

import importlib
import json
import sys

import pytest
import torch
from repo import REPO

FOLDER = REPO / 'tools' / 'bench' / 'speed'
MODULES = ('step', 'measure', 'plain_clip', 'peak_memory')


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module('step')
    for name in MODULES:
        sys.modules.pop(name, None)


def test_both_have_the_same_loss_and_gradients(bench):
    size = bench.MODELS['tiny']
    losses = bench.same_loss(size, 'cpu')
    assert losses['plain'] == pytest.approx(losses['ours'], abs=1e-4)
    images, labels = bench.data(size, 4)
    plain, ours = bench.plain(size), bench.ours(size)
    for model in (plain, ours):
        torch.nn.functional.cross_entropy(model(images), labels).backward()
    torch.testing.assert_close(plain.prompt.grad, ours.backbone.tuning.prompt.grad[0])
    torch.testing.assert_close(plain.projection.weight.grad, ours.neck.weight.grad)


def test_operations_are_those_that_pytorch_counts(bench):
    from torch.utils.flop_counter import FlopCounterMode

    size = bench.MODELS['tiny']
    step = bench.Step('ours fp32', size, 4, 'cpu')
    written_out = torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH)
    with written_out, FlopCounterMode(display=False) as counter:
        step()
    head = 4 * 3 * 1024 * 2 * 2  # the cosines
    assert counter.get_total_flops() == pytest.approx(bench.operations(size, 4) + head, rel=0.01)


def test_the_comparison_is_refused_where_losses_differ(bench, monkeypatch):
    size, plain = bench.MODELS['tiny'], bench.plain

    def other(size):
        model = plain(size)
        model.log_scale += 0.1
        return model

    monkeypatch.setattr(bench, 'plain', other)
    with pytest.raises(SystemExit, match='different losses'):
        bench.same_loss(size, 'cpu')


@pytest.mark.slow
def test_every_variant_is_measured(bench, tmp_path, capsys):
    out = tmp_path / 'step.json'
    bench.main(['--quick', '--device', 'cpu', '--out', str(tmp_path)])
    found = json.loads(out.read_text())['results']['variants']
    assert list(found) == ['plain fp32', 'plain bf16', 'ours fp32', 'ours bf16']
    for variant in found.values():
        assert variant['images_per_second'] > 0 and variant['peak'] > 0
        assert 0 < variant['share_of_matrix_rate'] < 1.5
    assert found['plain fp32']['times_plain fp32'] == 1
    assert '| ours bf16 |' in capsys.readouterr().out
