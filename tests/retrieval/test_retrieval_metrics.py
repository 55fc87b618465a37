from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from retrieval_cases import CORNERS, KS, clustered, cosine, figures

from cite.contrast import recall_at_k
from cite.errors import ConfigError, DataError
from cite.retrieval import image_metrics, metrics, pair_metrics


def rows(draw, count, largest):
    return draw(st.lists(st.integers(0, largest), min_size=count, max_size=count))


@st.composite
def pairs(draw):
    n, m = draw(st.integers(1, 5)), draw(st.integers(1, 5))
    images, texts = CORNERS[rows(draw, n, 6)], CORNERS[rows(draw, m, 6)]
    image_groups, text_groups = rows(draw, n, 3), rows(draw, m, 3)
    text_groups[0] = image_groups[0]
    return images.astype(float), texts.astype(float), image_groups, text_groups


@st.composite
def patches(draw):
    n = draw(st.integers(2, 6))
    features = CORNERS[rows(draw, n, 6)].astype(float)
    return features, rows(draw, n, 1), rows(draw, n, 3)


def agree(found, expected):
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(pairs(), st.integers(1, 40))
def test_pairs_as_brute_force(case, cells):
    images, texts, image_groups, text_groups = case
    groups = sorted(set(text_groups))

    def similarity(image, group):
        of_group = [t for t, g in zip(texts, text_groups, strict=True) if g == group]
        return max(cosine(image, text) for text in of_group)

    to_image = [
        ([similarity(x, g) for x in images], [own == g for own in image_groups])
        for g in groups
        if g in image_groups
    ]
    to_text = [
        ([similarity(x, g) for g in groups], [g == own for g in groups])
        for x, own in zip(images, image_groups, strict=True)
        if own in groups
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, 'CELLS', cells)
        found = pair_metrics(images, texts, np.array(image_groups), np.array(text_groups), KS)
    agree(found['text_to_image'], figures(to_image))
    agree(found['image_to_text'], figures(to_text))
    assert found['text_to_image']['queries'] == len(to_image)
    assert found['image_to_text']['candidates'] == len(groups)


@settings(max_examples=40, deadline=None)
@given(patches(), st.booleans(), st.integers(1, 40))
def test_images_as_brute_force(case, known, cells):
    features, labels, slides = case
    slides = slides if known else list(range(len(labels)))
    queries = []
    for row, label in enumerate(labels):
        others = [i for i in range(len(labels)) if slides[i] != slides[row]]
        right = [labels[i] == label for i in others]
        if any(right):
            queries.append(([cosine(features[row], features[i]) for i in others], right))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(metrics, 'CELLS', cells)
        if not queries:
            with pytest.raises(DataError, match='two slides'):
                image_metrics(features, labels, slides, KS)
            return
        found = image_metrics(features, labels, slides if known else None, KS)
    agree(found, figures(queries))
    assert found['left_out'] == len(labels) - len(queries)


def test_recall_is_that_of_training():
    rng = np.random.default_rng(1)
    images, texts = clustered(70), clustered(50)
    texts[:10] = images[:10]
    of_image, of_text = rng.integers(0, 30, 70), rng.integers(0, 40, 50)
    found = pair_metrics(images, texts, of_image, of_text, (1, 5, 60))
    for name, value in recall_at_k(images, texts, of_image, of_text, (1, 5, 60)).items():
        direction, figure = name.split('/')
        assert found[direction][figure] == pytest.approx(value, abs=1e-6)


def test_a_model_that_knows_nothing_gets_what_chance_gets():
    found = image_metrics(np.ones((40, 3)), np.arange(40) % 3, np.arange(40) % 7)
    names = [name for name in found if f'chance_{name}' in found]
    assert len(names) > 9
    assert [found[n] for n in names] == pytest.approx([found[f'chance_{n}'] for n in names])


def test_features_that_tell_classes_apart_find_all():
    labels = np.arange(30) % 3
    found = image_metrics(np.eye(3)[labels] + 0.01, labels)
    assert found['map'] == found['precision@5'] == found['median_rank'] == 1
    assert found['precision@10'] == pytest.approx(
        9 / 10
    )  # no more than nine others are of the class


def test_the_order_of_rows_decides_nothing():
    features, labels = np.round(clustered(90)) + 0.5, np.arange(90) % 4
    order = np.random.default_rng(3).permutation(90)
    slides = np.array([f's{row % 11}' for row in range(90)])
    plain = image_metrics(features, labels, slides)
    assert image_metrics(features[order], labels[order], slides[order]) == pytest.approx(plain)


def test_drawn_queries_stand_for_all():
    features, labels = clustered(900, clusters=3), np.arange(900) % 2
    all_of_them = image_metrics(features, labels)
    some = image_metrics(features, labels, max_queries=300)
    assert some == image_metrics(features, labels, max_queries=300)
    assert (some['queries'], all_of_them['queries']) == (300, 900)
    assert some['precision@10'] == pytest.approx(all_of_them['precision@10'], abs=0.05)


@pytest.mark.parametrize('ks', [(), (0,), (1.5,), (True,)])
def test_cutoffs_are_whole_numbers(ks):
    with pytest.raises(ConfigError, match='cut-offs'):
        image_metrics(np.eye(2), [0, 0], ks=ks)


def test_what_does_not_fit_is_named():
    with pytest.raises(DataError, match=r'3 features, texts 2'):
        pair_metrics(np.eye(3), np.eye(2), np.arange(3), np.arange(2))
    with pytest.raises(DataError, match='both an image and a text'):
        pair_metrics(np.eye(3), np.eye(3), np.arange(3), np.arange(3) + 5)
    with pytest.raises(DataError, match=r'labels for each of 3 rows, found \(2,\)'):
        image_metrics(np.eye(3), [0, 1])
    with pytest.raises(DataError, match='not finite: row 1'):
        image_metrics(np.array([[1.0, 2.0], [np.nan, 1.0]]), [0, 0])
