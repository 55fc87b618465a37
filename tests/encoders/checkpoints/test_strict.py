from __future__ import annotations

import pytest
import torch

from cite.encoders.checkpoints import load_strict
from cite.errors import CheckpointError


@pytest.fixture
def model() -> torch.nn.Module:
    return torch.nn.Sequential(*(torch.nn.Linear(2, 2) for _ in range(4)))


def test_loads_exactly(model):
    state = {key: torch.full_like(value, 0.5) for key, value in model.state_dict().items()}
    load_strict(model, state, 'weights')
    assert all(bool((value == 0.5).all()) for value in model.state_dict().values())


def test_every_kind_of_misfit_is_named_and_nothing_is_loaded(model):
    before = {key: value.clone() for key, value in model.state_dict().items()}
    state = {'0.weight': torch.zeros(2, 2), '0.bias': torch.zeros(3), 'extra': torch.zeros(1)}
    with pytest.raises(CheckpointError) as caught:
        load_strict(model, state, 'w.pth')
    message = str(caught.value)
    assert message.startswith('w.pth does not fit')
    assert '6 missing (1.bias, 1.weight, 2.bias, 2.weight, 3.bias and 1 more)' in message
    assert '1 unexpected (extra)' in message
    assert '0.bias is (3,), the model has (2,)' in message
    assert all(torch.equal(model.state_dict()[key], value) for key, value in before.items())
