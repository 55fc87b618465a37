from __future__ import annotations

import copy
import hashlib
import struct

import pytest
import torch
from safetensors.torch import load, save
from tiny_models import tiny_trunk
from torch import nn

from cite.frozen import digest, freeze, hide_frozen, trainable


def of(state: dict) -> str:
    return digest(state.items())


def test_digest_sees_names_shapes_and_values_but_not_their_order():
    state = {'a': torch.randn(2, 3), 'b': torch.randn(4)}
    same = {'b': state['b'].clone(), 'a': state['a'].clone()}
    assert of(state) == of(same)
    changed = state['a'].clone()
    changed[0, 0] = changed[0, 0].nextafter(torch.tensor(9.0))
    others = [
        {**state, 'a': changed},
        {**state, 'a': state['a'].reshape(3, 2)},
        {'a': state['b'], 'b': state['a']},
        {'a': state['a']},
        {**state, 'c': torch.zeros(0)},
    ]
    assert len({of(state), *map(of, others)}) == 6


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16, torch.float64])
def test_digest_does_not_depend_on_how_the_values_are_stored(dtype):
    exact = torch.arange(-8, 8).reshape(4, 4) / 4  # exact in every one of these formats
    state = {'w': exact, 'n': torch.tensor(3)}
    assert of({'w': exact.to(dtype), 'n': torch.tensor(3)}) == of(state)
    assert of(load(save({'w': exact.to(dtype), 'n': torch.tensor(3)}))) == of(state)
    assert of({'w': exact.T.contiguous().T, 'n': torch.tensor(3)}) == of(state)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_digest_does_not_depend_on_the_device():
    state = tiny_trunk().state_dict()
    assert of({name: value.cuda() for name, value in state.items()}) == of(state)


def test_digest_is_pinned():
    """Adapters in the world name their base by it."""
    state = {'w': torch.arange(6.0).reshape(2, 3), 'b': torch.tensor([1.5], dtype=torch.float16)}
    content = b'b(1,)' + struct.pack('<f', 1.5) + b'w(2, 3)' + struct.pack('<6f', *range(6))
    assert of(state) == hashlib.sha256(content).hexdigest()


class Owner(nn.Module):
    def __init__(self, train: bool = False) -> None:
        super().__init__()
        self.child = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        freeze(self.child)
        self.child[0].bias.requires_grad_(train)
        self.own = nn.Linear(2, 2)
        hide_frozen(self, 'child')


def test_trainable_lists_what_is_not_frozen():
    assert list(trainable(Owner())) == ['own.weight', 'own.bias']
    assert list(trainable(Owner(train=True))) == ['child.0.bias', 'own.weight', 'own.bias']


def test_hidden_weights_are_not_saved_and_not_missed():
    assert set(Owner().state_dict()) == {'own.weight', 'own.bias'}
    partly = Owner(train=True)
    assert {'child.0.bias', 'own.weight', 'child.1.running_mean'} <= set(partly.state_dict())
    assert 'child.0.weight' not in partly.state_dict()
    for owner in (Owner(), partly, nn.Sequential(nn.ReLU(), Owner()), copy.deepcopy(Owner())):
        assert not owner.load_state_dict(owner.state_dict(), strict=True).missing_keys


def test_only_the_owners_own_weights_are_forgiven():
    """A module of the same names elsewhere in the model is still missed."""
    other = nn.Module()
    other.child = nn.Sequential(nn.Linear(2, 2))
    both = nn.ModuleDict({'other': other, 'owner': Owner()})
    state = both.state_dict()
    del state['other.child.0.weight']
    with pytest.raises(RuntimeError, match=r'Missing key.*"other\.child\.0\.weight"'):
        both.load_state_dict(state, strict=True)


def test_unexpected_keys_and_missing_own_weights_stay_errors():
    with pytest.raises(RuntimeError, match=r'own\.bias'):
        Owner().load_state_dict({'own.weight': torch.zeros(2, 2)}, strict=True)
    with pytest.raises(RuntimeError, match='extra'):
        Owner().load_state_dict({**Owner().state_dict(), 'extra': torch.zeros(1)}, strict=True)
