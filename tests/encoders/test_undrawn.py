"""A tower that is built undrawn and loaded is the one that is drawn and loaded."""

from __future__ import annotations

import pytest
import torch
from reduced import shallow, small_side
from timm.layers import trunc_normal_
from torch import nn

from cite.encoders.checkpoints import load_strict
from cite.encoders.undrawn import Undrawn
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import CARDS

KINDS = {(card.tower, card.arch.partition('_')[0]): name for name, card in CARDS.items()}
ROTARY = [name for name, card in CARDS.items() if card.arch.startswith('eva')][:1]


def test_weights_are_not_drawn_and_buffers_are():
    class Layer(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(64, 64)
            trunc_normal_(self.linear.weight)
            self.register_buffer('table', torch.empty(3).fill_(2).mul_(3))

    state = torch.get_rng_state()
    with Undrawn():
        layer = Layer()
    assert torch.equal(torch.get_rng_state(), state)
    assert layer.table.tolist() == [6, 6, 6]
    assert nn.Linear(64, 64).weight.std() > 0  # and drawn again behind it
    assert not torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('name', sorted({*KINDS.values(), *ROTARY}))
def test_loaded_it_is_the_same_for_every_kind(name):
    card = shallow(CARDS[name])
    drawn = random_trunk(card, small_side(card))
    before = torch.get_rng_state()
    loaded = random_trunk(card, small_side(card), drawn=False)
    assert torch.equal(torch.get_rng_state(), before)
    with torch.no_grad():
        for weight in loaded.parameters():
            weight.fill_(float('nan'))  # whatever was in the memory
    load_strict(loaded, drawn.state_dict(), name)
    wanted = {**dict(drawn.named_parameters()), **dict(drawn.named_buffers())}
    found = {**dict(loaded.named_parameters()), **dict(loaded.named_buffers())}
    assert found.keys() == wanted.keys()
    for key, value in wanted.items():
        # a norm's initial 1 may be undefined in both: timm skips it for some
        torch.testing.assert_close(found[key], value, rtol=0, atol=0, equal_nan=True)
        assert found[key].requires_grad == value.requires_grad
        assert found[key].is_contiguous() == value.is_contiguous()
