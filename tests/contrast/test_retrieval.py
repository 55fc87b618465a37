from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.contrast import recall_at_k, retrieval
from cite.errors import ConfigError, DataError

KS = (1, 2, 3, 7)
# directions whose cosines are equal or far apart
CORNERS = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [1, 1, 1], [-1, 0, 0]])


def brute_force(images, texts, image_groups, text_groups, ks):
    """Every query by itself; ties by trying out all orders of the candidates."""

    def cosine(a, b):
        return round(float(a @ b / np.linalg.norm(a) / np.linalg.norm(b)), 5)

    def similarity(image, group):
        return max(cosine(image, t) for t, g in zip(texts, text_groups, strict=True) if g == group)

    def hits(similarities, right, k):
        """Mean over all orders that the similarities allow."""
        found = []
        for order in permutations(range(len(right))):
            values = [similarities[i] for i in order]
            if values == sorted(values, reverse=True):
                found.append(any(right[i] for i in order[:k]))
        return np.mean(found)

    groups = sorted(set(text_groups))
    recall = {}
    for k in ks:
        to_text = [
            hits([similarity(x, g) for g in groups], [g == own for g in groups], k)
            for x, own in zip(images, image_groups, strict=True)
            if own in groups
        ]
        to_image = [
            hits([similarity(x, g) for x in images], [own == g for own in image_groups], k)
            for g in groups
            if g in image_groups
        ]
        recall[f'image_to_text/recall@{k}'] = np.mean(to_text)
        recall[f'text_to_image/recall@{k}'] = np.mean(to_image)
    return recall


@st.composite
def pairs(draw):
    n, m = draw(st.integers(1, 6)), draw(st.integers(1, 6))

    def rows(count, largest):
        return draw(st.lists(st.integers(0, largest), min_size=count, max_size=count))

    images, texts = CORNERS[rows(n, 6)], CORNERS[rows(m, 6)]
    image_groups, text_groups = rows(n, 3), rows(m, 3)
    text_groups[0] = image_groups[0]
    return images.astype(float), texts.astype(float), image_groups, text_groups


@settings(max_examples=60, deadline=None)
@given(pairs(), st.integers(1, 40))
def test_as_brute_force(case, block):
    images, texts, image_groups, text_groups = case
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retrieval, 'BLOCK', block)
        found = recall_at_k(images, texts, np.array(image_groups), np.array(text_groups), KS)
    expected = brute_force(images, texts, image_groups, text_groups, KS)
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-9)


def features(n_groups=9, per_group=4, seed=0):
    """Images scattered round the text of their group, and two texts per group."""
    numbers = np.random.default_rng(seed)
    centres = numbers.normal(size=(n_groups, 8))
    image_groups = np.repeat(np.arange(n_groups), per_group)
    images = centres[image_groups] + numbers.normal(size=(len(image_groups), 8))
    text_groups = np.tile(np.arange(n_groups), 2)
    texts = centres[text_groups] + 0.5 * numbers.normal(size=(len(text_groups), 8))
    return images.astype(np.float32), texts.astype(np.float32), image_groups, text_groups


def test_independent_of_order_numbering_and_blocks(monkeypatch):
    images, texts, image_groups, text_groups = features()
    images[5:20:5] = images[0]  # ties
    expected = recall_at_k(images, texts, image_groups, text_groups)
    assert 0.2 < expected['image_to_text/recall@1'] < 0.95
    numbers = np.random.default_rng(1)
    for block in (1, 7, 50, 2**24):
        monkeypatch.setattr(retrieval, 'BLOCK', block)
        i, t = numbers.permutation(len(images)), numbers.permutation(len(texts))
        found = recall_at_k(
            torch.from_numpy(3 * images[i]),
            torch.from_numpy(texts[t]),
            torch.from_numpy(100 - 7 * image_groups[i]),
            torch.from_numpy(100 - 7 * text_groups[t]),
        )
        assert found == pytest.approx(expected, abs=1e-12)


def test_repeated_texts_are_one_candidate():
    """As rows, 30 copies of a text would fill the first places of every image."""
    images, texts, image_groups, text_groups = features()
    once = recall_at_k(images, texts, image_groups, text_groups)
    copies = np.r_[np.arange(len(texts)), np.zeros(30, int)]
    again = recall_at_k(images, texts[copies], image_groups, text_groups[copies])
    assert again == pytest.approx(once, abs=1e-12)


def test_a_model_without_knowledge_gets_the_chance_level():
    _, _, image_groups, text_groups = features()
    image_groups[:10] = 0
    same = np.ones((100, 3))
    found = recall_at_k(
        same[: len(image_groups)], same[: len(text_groups)], image_groups, text_groups
    )
    for way in ('image_to_text', 'text_to_image'):
        for k in (1, 5, 10):
            assert found[f'{way}/recall@{k}'] == pytest.approx(found[f'{way}/chance_recall@{k}'])
    assert found['image_to_text/chance_recall@1'] == pytest.approx(1 / 9)
    # groups differ in size: by hand, one draw of 36 images, mean over the groups that have images
    sizes = np.bincount(image_groups)
    assert found['text_to_image/chance_recall@1'] == pytest.approx(
        np.mean(sizes[sizes > 0]) / len(image_groups)
    )


def test_k_beyond_the_candidates_finds_all():
    images, texts, image_groups, text_groups = features(3, 2)
    found = recall_at_k(images, texts, image_groups, text_groups, (6, 100))
    assert set(found.values()) == {1.0}


def test_what_has_no_partner_is_a_candidate_only():
    images = np.array([[1.0, 0], [0, 1], [1, 0.1]])
    texts = np.array([[1.0, 0.1], [0, -1], [0.1, 1]])
    found = recall_at_k(images, texts, np.array([0, 1, 5]), np.array([0, 3, 1]), (1,))
    # group 5 has no text, group 3 no image; the image of 5 lies nearer to text 0 than its own does
    assert found['image_to_text/recall@1'] == 1
    assert found['image_to_text/chance_recall@1'] == pytest.approx(1 / 3)
    assert found['text_to_image/recall@1'] == 0.5
    assert found['text_to_image/chance_recall@1'] == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ('change', 'error', 'named'),
    [
        ({'ks': (1, 0)}, ConfigError, 'found 0'),
        ({'ks': (2.0,)}, ConfigError, 'found 2.0'),
        ({'ks': ()}, ConfigError, 'at least 1'),
        ({'images': np.ones(3)}, DataError, r'images as \(rows, dim\), found \(3,\)'),
        ({'texts': np.ones((2, 4))}, DataError, '3 features, texts 4'),
        ({'images': np.full((3, 3), np.nan)}, DataError, 'images are not finite in rows 0, 1, 2'),
        ({'image_groups': np.zeros(2, int)}, DataError, 'image_groups as 3 whole numbers'),
        ({'text_groups': np.zeros(2)}, DataError, 'float64'),
        ({'text_groups': np.array([8, 9])}, DataError, 'images are of 0, 1, texts of 8, 9'),
    ],
)
def test_what_does_not_fit_is_refused(change, error, named):
    arguments = {
        'images': np.ones((3, 3)),
        'texts': np.ones((2, 3)),
        'image_groups': np.array([0, 1, 1]),
        'text_groups': np.array([0, 1]),
    }
    with pytest.raises(error, match=named):
        recall_at_k(**arguments | change)
