from __future__ import annotations

import pytest
import torch
from tiny_models import CLASSES, WIDTH, text_head, tiny_classifier, tiny_images, tiny_tower

from cite.classifier import assemble
from cite.errors import ConfigError, ModelError

NECK = {'type': 'ProjectionNeck'}
LINEAR = {'type': 'LinearHead'}
TOWER = {
    'type': 'VisionTower',
    'model': 'random-vit-tiny',
    'image_size': 32,
    'tuning': {'type': 'VisualPrompt', 'length': 2},
}


def test_forward_is_tower_neck_head():
    model = tiny_classifier(None, NECK, text_head()).eval()
    images = tiny_images()
    assert model.neck is not None
    expected = model.head(model.neck(model.backbone(images)))
    torch.testing.assert_close(model(images), expected)
    assert model(images).shape == (2, len(CLASSES))
    plain = tiny_classifier(None, None, LINEAR)
    torch.testing.assert_close(plain(images), plain.head(plain.backbone(images)))


@pytest.mark.parametrize(
    ('neck', 'head', 'sizes'),
    [
        (NECK, text_head, (WIDTH, 24)),
        (NECK, lambda: LINEAR, (WIDTH, WIDTH)),
        ({**NECK, 'out_features': 7}, lambda: LINEAR, (WIDTH, 7)),
        (NECK, lambda: {**LINEAR, 'in_features': 9}, (WIDTH, 9)),
    ],
)
def test_sizes_are_settled_between_the_parts(neck, head, sizes):
    model = tiny_classifier(None, neck, head())
    assert model.neck is not None
    assert (model.neck.in_features, model.neck.out_features) == sizes
    assert model(tiny_images()).shape == (2, 3)


def test_a_text_head_of_another_size_asks_for_a_neck():
    with pytest.raises(ConfigError, match='ProjectionNeck between them'):
        tiny_classifier(None, None, text_head())


def test_assembles_from_a_config():
    model = assemble(TOWER, NECK, text_head(), CLASSES)
    assert model.classes == CLASSES
    assert model(tiny_images()).shape == (2, 3)
    trained = {n for n, p in model.named_parameters() if p.requires_grad}
    assert trained == {'backbone.tuning.prompt', 'neck.weight', 'neck.bias'}
    ready = tiny_tower()
    assert assemble(ready, None, LINEAR, CLASSES).backbone is ready


@pytest.mark.parametrize(
    ('change', 'error', 'named'),
    [
        ({'type': 'ResNet'}, ConfigError, r"must be 'VisionTower', found 'ResNet'"),
        ({'frozen': True}, ConfigError, "model.backbone has no option 'frozen'; it takes: model,"),
        ({'model': 'random-vit-tinny'}, ModelError, 'random-vit-tiny'),
        ({'tuning': {'type': 'VisualPromt'}}, ConfigError, "Did you mean 'VisualPrompt'"),
        ({'tuning': 3}, ConfigError, 'a tuning needs a `type`, found 3'),
    ],
)
def test_mistakes_in_the_backbone_are_named(change, error, named):
    with pytest.raises(error, match=named):
        assemble({**TOWER, **change}, NECK, text_head(), CLASSES)


def test_a_backbone_without_model_is_named():
    with pytest.raises(ConfigError, match=r"model\.backbone needs the option 'model'"):
        assemble({'type': 'VisionTower'}, NECK, text_head(), CLASSES)
