from __future__ import annotations

import pytest
import torch

from cite import precision
from cite.errors import ConfigError
from cite.precision import autocast, settle_precision


@pytest.mark.parametrize(('native', 'expected'), [(True, 'bf16'), (False, 'fp32')])
def test_auto_on_a_cpu_follows_the_hardware(monkeypatch, native, expected):
    monkeypatch.setattr(precision, '_cpu_has_bf16', lambda: native)
    assert settle_precision('auto', 'cpu') == expected
    assert settle_precision('auto', 'mps') == 'fp32'


@pytest.mark.parametrize(('native', 'expected'), [(True, 'bf16'), (False, 'fp16')])
def test_auto_on_a_gpu_does_not_take_emulated_bf16(monkeypatch, native, expected):
    def supported(including_emulation: bool = True) -> bool:
        return native or including_emulation

    monkeypatch.setattr(torch.cuda, 'is_bf16_supported', supported)
    assert settle_precision('auto', torch.device('cuda:0')) == expected


def test_settled_names_stay():
    for name in ('fp32', 'bf16'):
        assert settle_precision(name, 'cpu') == name
    assert settle_precision('fp16', 'cuda') == 'fp16'


def test_wrong_names_and_fp16_on_a_cpu():
    with pytest.raises(ConfigError, match="auto, fp32, bf16, fp16; found 'float32'"):
        settle_precision('float32', 'cpu')
    with pytest.raises(ConfigError, match='needs a GPU'):
        settle_precision('fp16', 'cpu')


def test_autocast_makes_products_in_that_format():
    x = torch.randn(3, 3)
    with autocast('fp32', 'cpu'):
        assert (x @ x).dtype == torch.float32
    with autocast('bf16', 'cpu'):
        assert (x @ x).dtype == torch.bfloat16


def test_the_question_about_the_hardware_has_an_answer():
    assert settle_precision('auto', 'cpu') in ('bf16', 'fp32')
