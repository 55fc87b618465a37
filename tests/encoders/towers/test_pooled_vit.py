from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from cite.encoders.towers.pooled_vit import AttentionalPooler
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import CARDS
from cite.tuning.base import TUNINGS

SMALL = {'depth': 2, 'embed_dim': 48, 'num_heads': 3}


def tower(name: str, tuning: str | None = None) -> VisionTower:
    card = CARDS[name]
    card = replace(card, feature_dim=32, arch_kwargs={**card.arch_kwargs, **SMALL})
    trunk = random_trunk(card, 64).eval()
    return VisionTower(card, trunk, TUNINGS.build({'type': tuning}) if tuning else None)


def test_pooler_sees_every_token_and_no_order():
    pooler = AttentionalPooler(48, 32)
    tokens = torch.randn(2, 10, 48)
    pooled = pooler(tokens)
    assert pooled.shape == (2, 32)
    assert torch.allclose(pooler(tokens.flip(1)), pooled, atol=1e-5)
    for number in range(10):
        other = tokens.clone()
        other[:, number] *= -1
        assert not torch.allclose(pooler(other), pooled, atol=1e-6)


@pytest.mark.parametrize('name', ['conch', 'conch-clip', 'conch-v1.5'])
def test_feature(name):
    built = tower(name)
    assert built(torch.rand(2, 3, 64, 64)).shape == (2, 32)
    names = set(built.trunk.state_dict())
    assert ('head.weight' in names) == (name == 'conch-clip')
    assert ('attn_pool.attn.in_proj_bias' in names) == (name != 'conch-v1.5')


@pytest.mark.parametrize('tuning', ['VisualPrompt', 'LoRA', 'FullFineTuning'])
def test_takes_every_tuning(tuning):
    built = tower('conch', tuning)
    built(torch.rand(2, 3, 64, 64)).square().sum().backward()
    trained = [p for p in built.parameters() if p.requires_grad]
    assert trained and all(p.grad is not None for p in trained)
