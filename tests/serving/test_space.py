from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from small_adapter import build, pictures, write

import cite
from cite.adapter import read_adapter, save_adapter
from cite.anchors import Anchors, embed_texts
from cite.classifier import assemble
from cite.errors import CheckpointError, ConfigError
from cite.inference import read_features
from cite.serving import load, load_space

TEXTS = ['glands in order', 'some glands', 'no glands']
ENCODER = {'type': 'TextEncoder', 'model': 'tiny-tissue'}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    """An adapter whose anchors are of the text half of tiny-tissue."""
    anchors = embed_texts(TEXTS, ENCODER)
    head = {'type': 'TextEmbeddingHead', 'texts': TEXTS, 'anchors': anchors, 'temperature': 2.0}
    classifier, info = build(head=head)
    info = replace(info, anchors=dict(anchors.provenance))
    path = tmp_path_factory.mktemp('adapter') / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    return path, info


def test_a_pair_is_a_space():
    space, pair = load_space('tiny-tissue'), cite.load_pair('tiny-tissue')
    images = pictures(3)
    np.testing.assert_array_equal(space.encode_images(images), pair.encode_images(images))
    np.testing.assert_allclose(space.encode_text(TEXTS), pair.encode_text(TEXTS), atol=1e-6)
    assert space.scale == pytest.approx(float(pair.scale.detach())) and space.dim == pair.dim
    assert space.about['image']['digest'] == pair.vision.digest


def test_an_adapter_scores_its_own_classes_as_it_predicts(trained):
    path, _ = trained
    space, images = load_space(adapter=path), pictures(4)
    cosines = space.encode_images(images) @ space.encode_text(TEXTS).T
    logits = torch.from_numpy(space.scale * cosines)
    expected = load(path).predict(images).scores
    np.testing.assert_allclose(logits.softmax(1).numpy(), expected, atol=1e-5)
    # a class that it was never trained on
    assert space.encode_text(['necrosis']).shape == (1, space.dim)


def test_features_of_files_are_the_same(trained, tmp_path):
    files = []
    for number, pixels in enumerate(pictures(3)):
        files.append(tmp_path / f'{number}.png')
        Image.fromarray(pixels).save(files[-1])
    for space in (load_space('tiny-tissue'), load_space(adapter=trained[0])):
        found = space.extract(files, tmp_path / f'{space.dim}.npy', batch_size=2)
        rows = read_features(found.out).features
        assert rows.shape == (3, space.dim)
        unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        np.testing.assert_allclose(unit, space.encode_images(files), atol=1e-5)
        assert {key: found.record[key] for key in space.about['image']} == space.about['image']


def test_long_texts_are_refused_or_cut():
    space = load_space('tiny-tissue')
    long = 'gland ' * 10_000
    with pytest.raises(ConfigError, match='longer than the 128'):
        space.encode_text([long])
    assert np.isfinite(space.encode_text([long], truncate=True)).all()


def test_heads_that_know_no_texts(tmp_path):
    path, _, _ = write(tmp_path, head={'type': 'LinearHead'}, neck=None)
    with pytest.raises(ConfigError, match='LinearHead'):
        load_space(adapter=path)


def test_another_text_encoder_than_in_training(trained, tmp_path):
    info, state = read_adapter(trained[0])
    info = replace(info, anchors={**info.anchors, 'fingerprint': 'another'})
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, {key: value.clone() for key, value in state.items()}, info)
    with pytest.raises(CheckpointError, match='fingerprint another'):
        load_space(adapter=path)


def test_neither_pair_nor_adapter():
    with pytest.raises(ConfigError, match='--kind pair'):
        load_space()


def test_anchors_without_an_encoder_to_name(tmp_path):
    embeddings = torch.randn(3, 24, generator=torch.Generator().manual_seed(0))
    anchors = Anchors(embeddings, tuple(TEXTS), {})
    head = {'type': 'TextEmbeddingHead', 'texts': TEXTS, 'anchors': anchors, 'temperature': 2.0}
    classifier, info = build(head=head)
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), replace(info, anchors={}))
    with pytest.raises(ConfigError, match='which text encoder'):
        load_space(adapter=path)


def test_zero_shot_head_gives_the_pair_s_own_scores():
    """The head over the pair's own tower and the space agree: one mathematics, written twice."""
    anchors = embed_texts(TEXTS, ENCODER)
    head = {'type': 'ZeroShotHead', 'texts': TEXTS, 'anchors': anchors}
    classifier = assemble({'model': 'tiny-tissue'}, None, head, ('a', 'b', 'c')).eval()
    space, images = load_space('tiny-tissue'), pictures(3)
    features = torch.from_numpy(space.encode_images(images))
    with torch.no_grad():
        logits = classifier.head(features).numpy()
    cosines = features.numpy() @ space.encode_text(TEXTS).T
    scale = float(classifier.head.temperature.exp())
    np.testing.assert_allclose(logits / scale, cosines, atol=1e-6)
