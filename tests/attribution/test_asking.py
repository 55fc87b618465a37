from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from small_adapter import build, pictures

import cite
from cite.anchors import embed_texts
from cite.attribution import ask, explain
from cite.attribution.explaining import class_probabilities
from cite.errors import ConfigError
from cite.serving import Predictor, load_space

TEXTS = ['Tubular glands.', 'No glands at all.']


@pytest.fixture(scope='module')
def pair():
    return cite.load_pair('tiny-tissue')


def softmax(cosines, scale):
    return torch.from_numpy(scale * cosines).softmax(-1).numpy()


def test_a_pair_with_texts_is_a_classifier_of_them(pair):
    asked, space = ask(pair, TEXTS), load_space('tiny-tissue')
    image = pictures(1, 112)[0]
    expected = softmax(space.encode_images([image]) @ space.encode_text(TEXTS).T, space.scale)
    np.testing.assert_allclose(class_probabilities(asked, image), expected[0], atol=1e-5)
    assert explain(asked, image, TEXTS[1]).class_name == TEXTS[1]


def test_sentences_around_the_texts_are_averaged(pair):
    templates = ['{}', 'A picture of {}']
    vectors = [pair.encode_text([t.replace('{}', text) for t in templates]) for text in TEXTS]
    means = np.stack([v.mean(0) / np.linalg.norm(v.mean(0)) for v in vectors])
    anchors = ask(pair, TEXTS, templates).head.anchors.numpy()
    np.testing.assert_allclose(anchors, means, atol=1e-5)


def test_an_adapter_is_asked_for_other_texts_and_stays_what_it_was():
    anchors = embed_texts(
        ['a gland', 'stroma', 'fat'], {'type': 'TextEncoder', 'model': 'tiny-tissue'}
    )
    head = {
        'type': 'TextEmbeddingHead',
        'texts': anchors.texts,
        'anchors': anchors,
        'temperature': 2.0,
    }
    classifier, info = build(head=head)
    trained = Predictor(classifier, replace(info, anchors=dict(anchors.provenance)))
    before = {key: value.clone() for key, value in classifier.state_dict().items()}
    image = pictures(1)[0]
    own = class_probabilities(ask(trained, anchors.texts), image)
    np.testing.assert_allclose(own, class_probabilities(trained, image), atol=1e-5)
    assert ask(trained, TEXTS).classes == tuple(TEXTS)
    after = classifier.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    linear, about = build(head={'type': 'LinearHead'}, neck=None)
    with pytest.raises(ConfigError, match='does not compare images with texts'):
        ask(Predictor(linear, about), TEXTS)


@pytest.mark.parametrize(
    ('texts', 'told'),
    [(['one'], 'two texts'), ([], 'two texts'), (['A b', ' a  B'], 'twice'), (['a', ' '], 'empty')],
)
def test_texts_that_cannot_be_told_apart_are_refused(pair, texts, told):
    with pytest.raises(ConfigError, match=told):
        ask(pair, texts)
