"""Every tuning over frozen matrices that are held in bf16: what autocast over float32 gives, bit by bit."""

from __future__ import annotations

import copy

import pytest
import torch
from tower_kinds import VISION, features, step, vision

from cite.errors import ConfigError
from cite.frozen import trainable
from cite.tuning import TUNINGS

METHODS = {
    'LoRA': {'r': 2},
    'RsLoRA': {'r': 2},
    'DoRA': {'r': 2},
    'AdaLoRA': {'r': 2},
    'LoHa': {'r': 2},
    'LoKr': {'r': 2},
    'OFT': {'block_size': 4},
    'BOFT': {'block_size': 2, 'factors': 2},
    'VeRA': {'r': 5},
    'FourierFT': {'n': 30},
    'HRA': {'r': 2},
    'PixelPrompt': {'kind': 'full'},
}
NAMES = sorted(set(TUNINGS.names()) - {'Several', 'TextPrompt', 'OriginalVisualPrompt'})
PAIRS = [
    *((name, kind) for name in NAMES for kind in ('vit', 'swin', 'resnet')),
    *(('LoRA', kind) for kind in VISION if kind not in ('vit', 'swin', 'resnet')),
    *(('BitFit', kind) for kind in ('densenet', 'internimage', 'convnext')),
]


def spec(name, kind):
    options = dict(METHODS.get(name, {}))
    if kind in ('resnet', 'densenet') and getattr(TUNINGS.get(name), 'convolutions', False):
        options['targets'] = 'conv'
    elif hasattr(TUNINGS.get(name), 'marks') and name != 'LNTuning':
        options['targets'] = 'all-linear'
    return {'type': name, **options}


def computed(tower):
    with torch.autocast('cpu', torch.bfloat16):
        before = features(tower).detach()
        grads = step(tower) if trainable(tower) else {}
        return [before, features(tower).detach(), *grads.values()]


def off_start(tower):
    generator = torch.Generator().manual_seed(7)
    for value in trainable(tower).values():
        value.data += 0.05 * torch.randn(value.shape, generator=generator)
    return tower.train()


@pytest.mark.parametrize(('name', 'kind'), PAIRS)
def test_steps_are_those_of_autocast(name, kind):
    torch.manual_seed(0)
    try:
        plain = off_start(vision(kind, spec(name, kind)))
    except ConfigError:
        pytest.skip(f'{name} has no place in {kind}')
    held = copy.deepcopy(plain)
    loaded, trained = held.digest, set(trainable(held))
    held.hold_frozen(torch.bfloat16)
    results = []
    for tower in (held, plain):
        torch.manual_seed(1)
        results.append(computed(tower))
    for mine, same in zip(*results, strict=True):
        assert mine.dtype == same.dtype and torch.equal(mine, same)
    assert held.digest == loaded and held.frozen_stands()
    assert set(trainable(held)) == trained
    assert {w.dtype for w in trainable(held).values()} <= {torch.float32}
