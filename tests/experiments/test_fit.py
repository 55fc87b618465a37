from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import CLASSES, SIDE, tiny_classifier, tiny_images

from cite.errors import TrainingError
from cite.experiments.fit import Patches, fit, reads_features, scores


def patches(count=24, seed=1):
    images = (tiny_images(count, SIDE, seed) * 255).to(torch.uint8)
    labels = torch.arange(count) % len(CLASSES)
    # each class has a bright channel of its own
    for number, label in enumerate(labels):
        images[number, label] = images[number, label] // 2 + 120
    return Patches(images, labels)


HEAD = {'type': 'LinearHead'}


@pytest.mark.parametrize('tuning', [None, {'type': 'VisualPrompt'}])
def test_learns_what_is_there_and_repeats_itself(tuning):
    made = []
    for _ in range(2):
        classifier = tiny_classifier(tuning, None, HEAD)
        fit(classifier, patches(), lr=1e-2, weight_decay=0.0, steps=60, seed=3)
        assert classifier.backbone.frozen_stands()
        made.append(scores(classifier, patches(12, seed=2)))
    assert np.array_equal(made[0], made[1])
    np.testing.assert_allclose(made[0].sum(1), 1, atol=1e-5)
    assert (made[0].argmax(1) == np.arange(12) % 3).mean() > 0.8


def test_kept_features_give_what_computing_them_anew_does():
    kept, anew = patches(), patches()
    classifier = tiny_classifier(None, None, HEAD)
    assert reads_features(classifier)
    fit(classifier, kept, 1e-2, 0.0, 5, seed=1)
    assert kept.features is not None
    other = tiny_classifier({'type': 'VisualPrompt'}, None, HEAD)
    assert not reads_features(other)
    fit(other, anew, 1e-2, 0.0, 1, seed=1)
    assert anew.features is None
    found = scores(classifier, kept)
    expected = classifier(kept.images).softmax(1).detach().numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert np.array_equal(scores(classifier, kept.subset(np.array([3, 1]))), found[[3, 1]])


def test_a_loss_that_is_no_number_stops():
    classifier = tiny_classifier(None, None, HEAD)
    classifier.head.fc.weight.data.fill_(float('nan'))
    with pytest.raises(TrainingError, match='the loss is nan'):
        fit(classifier, patches(), 1e-2, 0.0, 3)
