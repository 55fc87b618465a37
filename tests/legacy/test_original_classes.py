"""Prompt, half-precision parts, metrics and augmentation of the published code, without fixtures."""

from __future__ import annotations

import random

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import PATCHES, text_head, tiny_classifier, tiny_images, tiny_tower
from torch.nn import functional as F

from cite.errors import DataError
from cite.frozen import trainable
from cite.legacy.augment import OriginalAugment
from cite.legacy.metrics import original_metrics


def test_a_loaded_token_prompt_gets_the_mean_token_again():
    for kind, stays in (('VisualPrompt', True), ('OriginalVisualPrompt', False)):
        tower = tiny_tower({'type': kind})
        tower(tiny_images())
        again = tiny_tower({'type': kind})
        again.load_state_dict(tower.state_dict())
        again(tiny_images())
        same = torch.equal(again.tuning.prompt, tower.tuning.prompt)
        assert same is stays
        if not stays:
            torch.testing.assert_close(again.tuning.prompt, 2 * tower.tuning.prompt)


def test_an_add_prompt_longer_than_the_patches_does_nothing():
    spec = {'position': 'add', 'length': PATCHES + 1, 'init': 'normal'}
    tower = tiny_tower({'type': 'OriginalVisualPrompt', **spec})
    features = tower(tiny_images())
    torch.testing.assert_close(features, tiny_tower()(tiny_images()))
    features.sum().backward()
    assert tower.tuning.prompt.shape[1] == PATCHES + 1
    assert not tower.tuning.prompt.grad.any()


@pytest.mark.parametrize('own', [{'half': False}, {'train_tower': False}])
def test_an_adapter_holds_what_training_ended_with(own):
    spec = {'type': 'OriginalVisualPrompt', 'length': 2, **own}
    assert tiny_tower(spec).tuning.stored_as(spec) == {'type': 'VisualPrompt', 'length': 2}


def test_an_adapter_of_a_tower_that_trained_gives_the_same_features():
    spec = {'type': 'OriginalVisualPrompt', 'train_tower': True}
    tower, images = tiny_tower(spec), tiny_images()
    tower(images)
    stored = tiny_tower(tower.tuning.stored_as(spec))
    stored.load_state_dict(tower.state_dict())
    stored(images[:1])
    assert torch.equal(stored.tuning.prompt, tower.tuning.prompt)
    torch.testing.assert_close(stored(images), tower(images))


def test_the_tower_may_train_beside_the_prompt():
    tower = tiny_tower({'type': 'OriginalVisualPrompt', 'train_tower': True})
    tower.train()(tiny_images()).sum().backward()
    assert all(weight.grad is not None for weight in trainable(tower).values())
    assert len(trainable(tower)) == 1 + len(list(tower.trunk.parameters()))


@pytest.mark.parametrize('head', ['text', 'linear'])
def test_half_precision_is_half_from_the_neck_to_the_loss(head):
    spec = text_head() | {'type': 'HalfTextEmbeddingHead'}
    spec = spec if head == 'text' else {'type': 'HalfLinearHead'}
    tuning = {'type': 'OriginalVisualPrompt', 'half': True}
    model = tiny_classifier(tuning, {'type': 'HalfProjectionNeck'}, spec)
    logits = model(tiny_images(3))
    loss = F.cross_entropy(logits, torch.tensor([0, 1, 2]))
    loss.backward()
    assert logits.dtype == loss.dtype == torch.float16
    assert {weight.dtype for weight in trainable(model).values()} == {torch.float16}
    assert all(weight.grad.isfinite().all() for weight in trainable(model).values())


def test_metrics():
    scores = np.array([[0.6, 0.4], [0.9, 0.1], [0.7, 0.3], [0.2, 0.8]])
    found = original_metrics(scores, [0, 1, 1, 1], ['a', 'b', 'b', 'c'])
    assert found['accuracy'] == 50 and found['accuracy_0'] == 100
    assert found['accuracy_1'] == pytest.approx(100 / 3, abs=1e-4)
    assert found['mean_accuracy'] == pytest.approx(200 / 3, abs=1e-4)
    assert (found['bag_accuracy_0'], found['bag_accuracy_1']) == (100, 50)
    # raw logits: where the best is not above 0, it counts as wrong
    assert original_metrics(scores - 0.75, [0, 1, 1, 1], list('abcd'))['accuracy'] == 25
    assert original_metrics(scores, [1, 1, 1, 1], list('abcd'))['accuracy_0'] is None
    with pytest.raises(DataError, match='found 4, 3 and 4'):
        original_metrics(scores, [0, 1, 1], list('abcd'))


def test_augmented_patches_are_nearly_grey():
    pixels = np.zeros((64, 64, 3), np.uint8) + np.array([200, 60, 120], np.uint8)
    random.seed(0)
    torch.manual_seed(0)
    augment = OriginalAugment()
    for _ in range(10):
        found = np.asarray(augment(Image.fromarray(pixels))).astype(int)
        assert np.ptp(found, axis=2).max() <= 0.25 * np.ptp(pixels[0, 0])
