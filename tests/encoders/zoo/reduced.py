"""Rows of the zoo with hardly any depth: the same widths, layers, preprocessing and feature, built in no time."""

from __future__ import annotations

import dataclasses
from typing import Any

from cite.encoders.card import Card

BLOCKS = 2
_DEPTH: dict[str, dict[str, Any]] = {
    'Swin': {'depths': (1, 1, 1, 1)},
    'InternImage': {'depths': (1, 1, 1, 1)},
    'HIPT4K': {'depth': BLOCKS, 'tile_depth': 1},
    'AnyModel': {},
}
"""Kind of tower → what its architecture takes in place of its depth; plain transformers take 'depth'."""


def shallow(card: Card) -> Card:
    """The card with an architecture of few blocks; of a DenseNet, whose depth is its width, all of it."""
    if card.tower == 'ConvNet':
        less = {} if card.arch.startswith('densenet') else {'layers': (1, 1, 1, 1)}
    else:
        less = _DEPTH.get(card.tower, {'depth': BLOCKS})
    return dataclasses.replace(card, arch_kwargs={**undrawn(card).arch_kwargs, **less})


def undrawn(card: Card) -> Card:
    """The card without timm's slow drawing of a vision transformer's first weights."""
    if not card.arch.startswith('vit_') or card.tower == 'HIPT4K':
        return card
    return dataclasses.replace(card, arch_kwargs={'weight_init': 'skip', **card.arch_kwargs})


def small_side(card: Card) -> int:
    """Side of the smallest image that a row's architecture takes as it is: 2 by 2 patches, or its own."""
    return card.image_size if card.tower in ('Swin', 'AnyModel') else 2 * card.patch_size
