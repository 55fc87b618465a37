"""Every tower goes on from its frozen stages to the same features, whatever tunes it behind them."""

from __future__ import annotations

import pytest
import torch
from tower_kinds import DEPTHS, VISION, vision

LATE = ('LastBlocks', 'LoRA', 'VisualPrompt', 'HoulsbyAdapter')


def images(tower):
    side = tower.image_size
    return torch.rand(3, 3, side, side, generator=torch.Generator().manual_seed(2))


def tuned(kind, name):
    """The last block alone is tuned."""
    last = DEPTHS[kind] - 1
    places = {'VisualPrompt': {'layers': [last], 'init': 'normal'}, 'LastBlocks': {'k': 1}}
    options = places.get(name, {'blocks': [last]})
    if kind == 'resnet' and name == 'LoRA':
        options['targets'] = 'conv'
    return vision(kind, {'type': name, **options}).eval()


@pytest.mark.parametrize('kind', VISION)
def test_an_untuned_tower_is_all_prefix(kind):
    tower = vision(kind).eval()
    assert tower.frozen_stages == tower.depth + 1
    with torch.no_grad():
        assert torch.equal(tower.from_prefix(tower.prefix(images(tower))), tower(images(tower)))


@pytest.mark.parametrize(
    ('kind', 'name'),
    [
        *((kind, name) for kind in ('vit', 'layerscale', 'swin') for name in LATE),
        ('resnet', 'LastBlocks'),
        ('resnet', 'LoRA'),
    ],
)
def test_a_tuning_in_the_last_block(kind, name):
    tower = tuned(kind, name)
    assert tower.frozen_stages == tower.depth - 1
    whole = tower(images(tower))
    kept = tower.prefix(images(tower))
    assert not kept.requires_grad
    found = tower.from_prefix(kept)
    assert torch.equal(found, whole)
    weights = [weight for weight in tower.parameters() if weight.requires_grad]
    ours = torch.autograd.grad(found.sum(), weights)
    for mine, theirs in zip(ours, torch.autograd.grad(whole.sum(), weights), strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize(
    'tuning',
    ['FullFineTuning', 'BitFit', {'type': 'PixelPrompt', 'width': 2}, 'SideTuning', 'VisualPrompt'],
    ids=str,
)
def test_nothing_is_kept_of_a_tower_that_trains_from_the_start(tuning):
    assert vision('vit', tuning).frozen_stages == 0
    assert vision('vit', ['LoRA', 'SideTuning']).frozen_stages == 0
