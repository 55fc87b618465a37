"""Rows of the zoo with hardly any depth: the same widths, kinds of layers, preprocessing and feature."""

from __future__ import annotations

import dataclasses
from typing import Any

import torch
from torch import nn

from cite.encoders.card import Card
from cite.encoders.vision import random_trunk

BLOCKS = 2
_DEPTH: dict[str, dict[str, Any]] = {
    'Swin': {'depths': (1, 1, 1, 1)},
    'InternImage': {'depths': (1, 1, 1, 1)},
    'HIPT4K': {'depth': BLOCKS, 'tile_depth': 1},
    'AnyModel': {},
}
"""Kind of tower → what its architecture takes in place of its depth; plain transformers take 'depth'."""


def shallow(card: Card) -> Card:
    """The card with an architecture of few blocks, except where timm fixes them (DenseNet, BiT)."""
    if card.tower == 'ConvNet':
        less = {'layers': (1, 1, 1, 1)} if card.arch.startswith('resnet50') else {}
    else:
        less = _DEPTH.get(card.tower, {'depth': BLOCKS})
    return dataclasses.replace(card, arch_kwargs={**undrawn(card).arch_kwargs, **less})


def undrawn(card: Card) -> Card:
    """The card without timm's slow drawing of a ViT's first weights, which stay undefined."""
    if not card.arch.startswith('vit_') or card.tower == 'HIPT4K':
        return card
    return dataclasses.replace(card, arch_kwargs={'weight_init': 'skip', **card.arch_kwargs})


def small_trunk(card: Card) -> nn.Module:
    """The architecture of a shallow card for small images, with random weights."""
    trunk = random_trunk(card, small_side(card)).eval()
    if 'weight_init' in card.arch_kwargs:
        generator = torch.Generator().manual_seed(0)
        for name, value in trunk.named_parameters():
            if value.ndim == 1 and name.endswith(('weight', 'gamma')):
                nn.init.ones_(value)
            else:
                nn.init.normal_(value, std=0.02, generator=generator)
    return trunk


def small_side(card: Card) -> int:
    """Side of the smallest image that a row's architecture takes as it is: 2 by 2 patches, or its own."""
    return card.image_size if card.tower in ('Swin', 'AnyModel') else 2 * card.patch_size
