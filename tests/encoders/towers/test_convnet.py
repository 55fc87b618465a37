from __future__ import annotations

import pytest
import timm
import torch
from tiny_models import tiny_images
from torch import nn

from cite.encoders.card import Card
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import load_vision, random_trunk
from cite.errors import ConfigError, ModelError
from cite.tuning import TUNINGS

SIDE = 64
# a deep stem, groups and attention; a norm behind the stem; blur and a deep stem
ARCHS = {
    'resnet': ('resnet18', {}, 8),
    'resnet-d': ('test_resnet', {}, 4),
    'seresnext': ('seresnext26t_32x4d', {}, 8),
    'bit': ('resnetv2_50x1_bit', {'channels': (128, 128, 128, 128)}, 16),
    'resnetv2': ('resnetv2_18d', {}, 8),
    'densenet': ('densenet121', {'block_config': (2, 2, 3, 1), 'growth_rate': 8}, 7),
    'densenet-blur': ('densenetblur121d', {'block_config': (1, 2, 1), 'growth_rate': 8}, 5),
}


def card_of(kind: str) -> Card:
    arch, kwargs, _ = ARCHS[kind]
    kwargs = {**kwargs, 'num_classes': 0}
    with torch.device('meta'):
        dim = timm.create_model(arch, **kwargs).num_features
    return Card(
        name=kind,
        arch=arch,
        tower='ConvNet',
        feature='pool',
        feature_dim=dim,
        patch_size=32,
        image_size=SIDE,
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.25, 0.3),
        licence='none',
        citation='none',
        arch_kwargs=kwargs,
    )


def tower_of(kind: str, tuning=None) -> VisionTower:
    card = card_of(kind)
    trunk = random_trunk(card, SIDE)
    for module in trunk.modules():  # statistics of a trained network, not 0 and 1
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_mean, -0.2, 0.2)
            nn.init.uniform_(module.running_var, 0.5, 2)
    return VisionTower(card, trunk.eval(), TUNINGS.build(tuning) if tuning else None)


@pytest.mark.parametrize('kind', ARCHS)
@torch.no_grad()
def test_equals_timms_own_forward(kind):
    tower = tower_of(kind)
    images = tiny_images(side=SIDE)
    trunk = tower.trunk
    expected = trunk.forward_head(
        trunk.forward_features((images - tower.mean) / tower.std), pre_logits=True
    )
    features = tower(images)
    assert features.std() > 1e-3
    torch.testing.assert_close(features, expected, rtol=1e-6, atol=1e-6)
    assert features.shape == (2, tower.feature_dim)


@pytest.mark.parametrize('kind', ARCHS)
def test_blocks_are_the_layers_between_stem_and_last_norm(kind):
    tower = tower_of(kind)
    assert tower.depth == ARCHS[kind][2]
    tokens = tower.embed(tiny_images(side=SIDE))
    assert tokens.shape[1] == tower.width
    in_blocks = {id(p) for block in tower.blocks for p in block.parameters()}
    outside = {n for n, p in tower.trunk.named_parameters() if id(p) not in in_blocks}
    assert all(n.startswith(('conv1', 'bn1', 'stem', 'norm', 'features')) for n in outside)
    assert len(outside) < 15


@pytest.mark.parametrize('size', [96, 160])
def test_takes_other_sizes(size):
    tower = load_vision('resnet50-in1k', pretrained=False, image_size=size)
    assert tower.image_size == size
    assert tower(tiny_images(side=size)).shape == (2, 2048)
    with pytest.raises(ModelError, match=f'{size} × {size}'):
        tower(tiny_images(side=64))


def test_refuses_sizes_that_are_no_multiple():
    with pytest.raises(ModelError, match='multiple'):
        load_vision('densenet121', pretrained=False, image_size=100)


@pytest.mark.parametrize('kind', ['resnet', 'densenet'])
def test_frozen_batch_norm_keeps_its_statistics(kind):
    tower = tower_of(kind)
    model = nn.Sequential(tower).train()
    assert not any(module.training for module in tower.trunk.modules())
    before = tower.frozen_digest()
    first = model(tiny_images(4, side=SIDE))
    torch.testing.assert_close(model(tiny_images(4, side=SIDE)), first)
    assert tower.frozen_digest() == before
    # batches do not change each other's features
    torch.testing.assert_close(model(tiny_images(4, side=SIDE)[:1]), first[:1])


@pytest.mark.parametrize('kind', ['resnet', 'bit', 'densenet'])
def test_full_fine_tuning_trains_every_weight_and_saves_statistics(kind):
    tower = tower_of(kind, {'type': 'FullFineTuning'}).train()
    before = {n: b.clone() for n, b in tower.trunk.named_buffers() if 'mean' in n}
    tower(tiny_images(side=SIDE)).square().sum().backward()
    assert not any(torch.equal(b, before[n]) for n, b in tower.trunk.named_buffers() if n in before)
    assert all(p.grad is not None for p in tower.trunk.parameters())
    other = tower_of(kind, {'type': 'FullFineTuning'})
    other.load_state_dict(tower.state_dict(), strict=True)
    tower.eval()
    torch.testing.assert_close(other.eval()(tiny_images(side=SIDE)), tower(tiny_images(side=SIDE)))


@pytest.mark.parametrize('tuning', ['VisualPrompt', 'LoRA'])
def test_what_cannot_tune_it_says_what_can(tuning):
    with pytest.raises(
        ConfigError, match=f"{tuning}: resnet is a convolutional network.*'FullFineTuning'"
    ):
        tower_of('resnet', {'type': tuning})
