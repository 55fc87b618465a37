from __future__ import annotations

from dataclasses import replace

import pytest
import timm
import torch
from tiny_models import tiny_images

from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import load_vision, random_trunk
from cite.encoders.zoo import get_card
from cite.errors import ConfigError, ModelError
from cite.tuning import TUNINGS

# the smallest of each kind that timm has; (size of its images, length of its feature)
MODELS = {
    'timm:test_convnext': (160, 64),
    'timm:test_efficientnet': (160, 256),
    'timm:mobilenetv3_small_050': (224, 1024),
    'timm:levit_128s': (224, 384),
}


def tower_of(name: str, tuning=None, size: int | None = None) -> VisionTower:
    card = get_card(name)
    assert card.tower == 'AnyModel'
    trunk = random_trunk(card, size or card.image_size)
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(1)
        for value in trunk.parameters():  # all of it counts: biases, LayerScale
            value.add_(0.1 * torch.randn_like(value))
    return VisionTower(card, trunk.eval(), TUNINGS.build(tuning) if tuning else None)


@pytest.mark.parametrize('name', MODELS)
@torch.no_grad()
def test_equals_what_timms_classifier_sees(name):
    size, dim = MODELS[name]
    tower = tower_of(name)
    images = tiny_images(side=size)
    full = timm.create_model(tower.card.arch, num_classes=7).eval()
    named = {**full.state_dict(), **tower.trunk.state_dict()}
    full.load_state_dict(named)
    normalised = (images - tower.mean) / tower.std
    expected = full.forward_head(full.forward_features(normalised), pre_logits=True)
    features = tower(images)
    assert features.shape == (2, dim)
    assert features.std() > 1e-3
    torch.testing.assert_close(features, expected, rtol=1e-5, atol=1e-6)


def test_clip_gives_its_image_embedding():
    card = get_card('timm:test_convnext')
    kwargs = {**card.arch_kwargs, 'num_classes': 16}
    card = replace(card, feature='projection', feature_dim=16, arch_kwargs=kwargs)
    tower = VisionTower(card, random_trunk(card, 64).eval())
    images = tiny_images(side=64)
    assert tower(images).shape == (2, 16)
    torch.testing.assert_close(tower(images), tower.trunk((images - tower.mean) / tower.std))


@torch.no_grad()
def test_takes_other_sizes_where_the_weights_do():
    small, large = (tower_of('timm:test_convnext', size=size) for size in (96, 224))
    large.trunk.load_state_dict(small.trunk.state_dict())
    assert small(tiny_images(side=96)).shape == large(tiny_images(side=224)).shape


@pytest.mark.parametrize(
    ('name', 'size', 'reason'),
    [
        ('timm:eva02_tiny_patch14_224', 448, 'weights for images of 224 pixels alone'),
        ('timm:mobilevit_xxs', 100, 'multiple of it, found 100'),
        ('timm:efficientformer_l1', 256, 'of 224 pixels'),
    ],
)
def test_refuses_sizes_that_the_weights_do_not_fit(name, size, reason):
    with pytest.raises(ModelError, match=reason):
        load_vision(name, pretrained=False, image_size=size)


def test_frozen_it_computes_no_gradient_and_stays_in_eval_mode():
    tower = tower_of('timm:test_efficientnet').train()
    assert tower.depth == 0
    assert not any(module.training for module in tower.trunk.modules())
    assert not tower(tiny_images(side=160)).requires_grad


def test_full_fine_tuning_reaches_all_of_it():
    tower = tower_of('timm:test_convnext', {'type': 'FullFineTuning'}).train()
    assert all(module.training for module in tower.trunk.modules())
    tower(tiny_images(side=160)).square().sum().backward()
    assert all(p.grad is not None for p in tower.trunk.parameters())
    again = tower_of('timm:test_convnext', {'type': 'FullFineTuning'})
    again.load_state_dict(tower.state_dict(), strict=True)


@pytest.mark.parametrize('tuning', ['VisualPrompt', 'LoRA'])
def test_what_cannot_tune_it_says_what_can(tuning):
    with pytest.raises(ConfigError, match=f"{tuning}: timm:test_convnext is .*'FullFineTuning'"):
        tower_of('timm:test_convnext', {'type': tuning})
