"""Feed-forward layers that are known from a file's shapes only."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from torch import Tensor

from cite.encoders.card import Card

_FIRST = re.compile(r'blocks\.(?:\d+\.)?0\.mlp\.(?:fc1|w12)\.weight')
_SECOND = re.compile(r'blocks\.(?:\d+\.)?0\.mlp\.(?:fc2|w3)\.weight')


def settle_feed_forward(card: Card, state: Mapping[str, Tensor]) -> Card:
    """The card with the feed-forward layers that a file has, where it leaves them open.

    Args:
        card: Leaves them open by 'mlp_layer': None in its `arch_kwargs`; any other card is returned
            as it is.
        state: As `read_state` returns it, in timm's or DINOv2's names.

    A gated layer (SwiGLU) is one whose first matrix makes twice of what the second takes.
    """
    first = next((v for k, v in state.items() if _FIRST.fullmatch(k)), None)
    second = next((v for k, v in state.items() if _SECOND.fullmatch(k)), None)
    open_ = card.arch_kwargs.get('mlp_layer', '') is None
    if not open_ or first is None or second is None or first.shape[0] != 2 * second.shape[1]:
        return card
    hidden, width = first.shape
    gated = {'mlp_layer': 'SwiGLUPacked', 'act_layer': 'silu', 'mlp_ratio': hidden / width}
    return replace(card, arch_kwargs={**card.arch_kwargs, **gated})
