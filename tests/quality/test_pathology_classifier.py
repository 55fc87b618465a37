from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cite.errors import ConfigError, DataError
from cite.quality import build_filter
from cite.quality.classifier import choose_threshold, divide, fit, measure

scores_of = st.lists(
    st.tuples(st.integers(0, 20).map(lambda n: n / 20), st.booleans()), min_size=4, max_size=60
).filter(lambda pairs: len({kind for _, kind in pairs}) == 2)


def arrays(pairs):
    return np.array([score for score, _ in pairs]), np.array([kind for _, kind in pairs])


@given(scores_of, st.sampled_from([0.5, 0.9, 0.98, 1.0]))
def test_the_threshold_reaches_the_recall_and_no_higher_one_does(pairs, wanted):
    scores, labels = arrays(pairs)
    value = choose_threshold(scores, labels, 'recall', wanted)
    assert (scores[labels] >= value).mean() >= wanted - 1e-9
    above = scores[scores >= value].min() + 1e-6
    assert (scores[labels] >= above).mean() < wanted


@given(scores_of, st.sampled_from([0.5, 0.8, 1.0]))
def test_the_threshold_reaches_the_precision_or_it_is_told(pairs, wanted):
    scores, labels = arrays(pairs)
    reachable = [t for t in scores if labels[scores >= t].mean() >= wanted - 1e-9]
    if not reachable:
        with pytest.raises(DataError, match='no threshold reaches a precision'):
            choose_threshold(scores, labels, 'precision', wanted)
        return
    value = choose_threshold(scores, labels, 'precision', wanted)
    kept = scores >= value
    assert labels[kept].mean() >= wanted - 1e-9
    assert kept.sum() == max((scores >= t).sum() for t in reachable)


def test_parts_share_nothing_and_have_both_kinds():
    labels = np.arange(50) < 20
    parts = divide(labels, (0.5, 0.25, 0.25), 0)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(50))
    assert [int(labels[part].sum()) for part in parts] == [10, 5, 5]
    again = divide(labels, (0.5, 0.25, 0.25), 0)
    assert all(np.array_equal(a, b) for a, b in zip(parts, again, strict=True))
    with pytest.raises(DataError, match='at least 8 positives'):
        divide(np.arange(50) < 7, (0.5, 0.5), 0)


@given(st.integers(4, 9), st.integers(4, 9), st.integers(0, 3), st.integers(0, 99))
def test_slides_are_divided_as_wholes(positive, negative, mixed, seed):
    rng = np.random.default_rng(seed)
    slides = np.arange(positive + negative + mixed).repeat(6)
    labels = (slides < positive) | (
        (slides >= positive + negative) & (np.arange(len(slides)) % 2 == 0)
    )
    order = rng.permutation(len(slides))
    slides, labels = slides[order], labels[order]
    parts = divide(labels, (0.5, 0.25, 0.25), seed, slides)
    assert np.array_equal(np.sort(np.concatenate(parts)), np.arange(len(slides)))
    held = [set(slides[part].tolist()) for part in parts]
    assert not (held[0] & held[1] or held[0] & held[2] or held[1] & held[2])
    assert all(0 < labels[part].sum() < len(part) for part in parts)


def test_too_few_slides_are_told():
    labels = np.arange(48) < 24
    with pytest.raises(DataError, match=r'positives are of 3 slides or patients.*at least 4'):
        divide(labels, (0.5, 0.25, 0.25), 0, np.arange(48) // 8)
    model = fit(np.where(labels, 1.0, -1.0)[:, None], labels, False, 0, np.zeros(48, int))
    assert (model.predict(np.array([[1.0], [-1.0]])) == [True, False]).all()


def test_measured_numbers_are_counts():
    scores = np.array([0.9, 0.8, 0.4, 0.7, 0.1])
    labels = np.array([True, True, True, False, False])
    found = measure(scores, labels, 0.5)
    assert found['recall'] == found['precision'] == 2 / 3
    assert (found['positives_kept'], found['negatives_kept']) == (2, 1)
    low, high = found['recall_interval']
    assert low < 2 / 3 < high
    assert measure(scores, labels, 2.0)['precision'] is None


def test_the_classifier_learns_a_direction_and_ignores_lengths():
    rng = np.random.default_rng(0)
    labels = np.arange(80) % 2 == 0
    features = rng.normal(size=(80, 12)) + 2.0 * labels[:, None]
    model = fit(features, labels, True, 0)
    scaled = model.predict_proba(features * rng.uniform(1, 50, (80, 1)))[:, 1]
    assert ((scaled > 0.5) == labels).mean() > 0.95
    np.testing.assert_allclose(scaled, model.predict_proba(features)[:, 1], atol=1e-5)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'positives': 'a'}, 'go together'),
        ({'by': 'magic'}, 'found .magic.'),
        ({'wanted': 1.5}, 'at most 1'),
    ],
)
def test_options_that_do_not_fit(options, message):
    with pytest.raises(ConfigError, match=message):
        build_filter('pathology', **options)
