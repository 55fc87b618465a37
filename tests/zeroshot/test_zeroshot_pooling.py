"""Cosines to classes of several sentences, against their definitions."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.anchors.ensemble import class_sentences
from cite.errors import ConfigError, DataError
from cite.zeroshot import pooling as module
from cite.zeroshot.pooling import POOLINGS, class_cosines, template_cosines


def unit(rng: np.random.Generator, *shape: int) -> np.ndarray:
    drawn = rng.normal(size=shape)
    return (drawn / np.linalg.norm(drawn, axis=-1, keepdims=True)).astype(np.float32)


def by_hand(image: np.ndarray, own: np.ndarray, pooling: str) -> float:
    """One image and one class, in double precision, sentence by sentence."""
    cosines = [float(np.dot(image.astype(float), text.astype(float))) for text in own]
    if pooling == 'max':
        return max(cosines)
    if pooling == 'cosines':
        return sum(cosines) / len(cosines)
    mean = sum(text.astype(float) for text in own)
    return float(np.dot(image.astype(float), mean) / np.linalg.norm(mean))


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(0, 7),
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    dim=st.integers(2, 9),
    pooling=st.sampled_from(POOLINGS),
)
def test_as_defined(seed, images, sizes, dim, pooling):
    rng = np.random.default_rng(seed)
    vectors, classes = unit(rng, images, dim), [unit(rng, size, dim) for size in sizes]
    found = class_cosines(vectors, classes, pooling)
    assert found.dtype == np.float32 and found.shape == (images, len(sizes))
    expected = [[by_hand(image, own, pooling) for own in classes] for image in vectors]
    np.testing.assert_allclose(found, np.reshape(expected, found.shape), atol=2e-6)


def test_one_sentence_is_the_same_by_all():
    rng = np.random.default_rng(0)
    images, classes = unit(rng, 5, 8), [unit(rng, 1, 8) for _ in range(3)]
    for pooling in POOLINGS:
        np.testing.assert_allclose(
            class_cosines(images, classes, pooling), images @ np.concatenate(classes).T, atol=1e-6
        )


def test_they_differ_where_sentences_disagree():
    """Sentences that point apart lower the mean of cosines, not the cosine to the mean direction."""
    image = np.array([[1.0, 0, 0]], np.float32)
    agree = np.array([[0.6, 0.8, 0]] * 2, np.float32)
    apart = np.array([[0.6, 0.8, 0], [0.6, -0.8, 0]], np.float32)
    np.testing.assert_allclose(class_cosines(image, [agree, apart], 'cosines'), [[0.6, 0.6]])
    np.testing.assert_allclose(class_cosines(image, [agree, apart]), [[0.6, 1]], atol=1e-6)


def test_sentences_that_cancel_give_nothing_and_no_warning(recwarn):
    opposite = np.array([[1.0, 0], [-1, 0]], np.float32)
    found = class_cosines(np.array([[1.0, 0]], np.float32), [opposite])
    assert found.tolist() == [[0]] and not recwarn.list


@pytest.mark.parametrize('pooling', POOLINGS)
def test_blocks_do_not_matter(monkeypatch, pooling):
    rng = np.random.default_rng(0)
    images, classes = unit(rng, 50, 8), [unit(rng, 3, 8), unit(rng, 5, 8)]
    whole = class_cosines(images, classes, pooling)
    monkeypatch.setattr(module, '_ROWS', 8 * 7)
    np.testing.assert_allclose(class_cosines(images, classes, pooling), whole, atol=1e-6)


def test_each_template_on_its_own():
    """In the order that `class_sentences` gives: all templates of a text, then the next text."""
    rng = np.random.default_rng(0)
    templates = ('a {}', '{} b', 'c {}')
    texts = [['gland', 'tubule'], ['fat']]
    vector = {
        template.replace('{}', text): unit(rng, 6)
        for template in templates
        for own in texts
        for text in own
    }
    made = class_sentences(texts, templates).sentences
    sentences = [np.stack([vector[sentence] for sentence in own]) for own in made]
    images = unit(rng, 4, 6)
    found = list(template_cosines(images, sentences, len(templates)))
    assert len(found) == 3
    for template, cosines in zip(templates, found, strict=True):
        alone = [np.stack([vector[template.replace('{}', text)] for text in own]) for own in texts]
        np.testing.assert_array_equal(cosines, class_cosines(images, alone))


def test_memory_does_not_grow_with_templates():
    rng = np.random.default_rng(0)
    images, classes = unit(rng, 20_000, 4), [unit(rng, 40, 4) for _ in range(5)]
    tracemalloc.start()
    for cosines in template_cosines(images, classes, 40):
        assert cosines.shape == (20_000, 5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * cosines.nbytes  # of 40


def test_max_keeps_no_product_with_all_sentences():
    rng = np.random.default_rng(0)
    images, classes = unit(rng, 100_000, 4), [unit(rng, 500, 4) for _ in range(2)]
    tracemalloc.start()
    class_cosines(images, classes, 'max')
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100_000 * 1000 * 4 / 5


def test_images_may_lie_in_a_file(tmp_path):
    rng = np.random.default_rng(0)
    images, classes = unit(rng, 9, 8), [unit(rng, 2, 8)]
    np.save(tmp_path / 'images.npy', images.astype(np.float16))
    mapped = np.load(tmp_path / 'images.npy', mmap_mode='r')
    np.testing.assert_allclose(
        class_cosines(mapped, classes), class_cosines(images, classes), atol=1e-3
    )


def test_what_does_not_fit_is_named():
    rng = np.random.default_rng(0)
    images, own = unit(rng, 3, 4), unit(rng, 2, 4)
    with pytest.raises(ConfigError, match="pooling 'mean': expected one of embeddings"):
        class_cosines(images, [own], 'mean')
    with pytest.raises(DataError, match=r'images: expected vectors \(N, D\), found shape \(4,\)'):
        class_cosines(images[0], [own])
    with pytest.raises(DataError, match='no classes'):
        class_cosines(images, [])
    for wrong in (own[:0], own[0], own[:, :3]):
        with pytest.raises(DataError, match='class 1: expected vectors'):
            class_cosines(images, [own, wrong])
    with pytest.raises(DataError, match='class 1 has 3 sentences, which is no multiple of 2'):
        template_cosines(images, [own, unit(rng, 3, 4)], 2)


@pytest.mark.parametrize('pooling', POOLINGS)
@pytest.mark.parametrize('factor', [17.0, 0.0, np.nan])
def test_features_of_another_length_are_refused(pooling, factor):
    """What a file of features holds is not normalised; taken as cosines it would give any number."""
    rng = np.random.default_rng(0)
    images, own = unit(rng, 5, 4), unit(rng, 2, 4)
    images[3] *= factor
    with pytest.raises(DataError, match='image 3: a vector of length'):
        class_cosines(images, [own], pooling)
    own[1] *= factor
    with pytest.raises(DataError, match='class 0, sentence 1: a vector of length'):
        class_cosines(images[:2], [own], pooling)
