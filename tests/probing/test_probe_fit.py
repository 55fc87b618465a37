"""Probes are what scikit-learn and PyTorch make by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from feature_sets import drawn
from sklearn.linear_model import LogisticRegression, SGDClassifier
from sklearn.preprocessing import StandardScaler, normalize

from cite.errors import DataError
from cite.probing import PROTOCOLS, Probe, Samples, fit_probe
from cite.probing.probe import to_probabilities


def standardised(features, like):
    return StandardScaler().fit(like.astype(np.float64)).transform(features).astype(np.float32)


@pytest.mark.parametrize('classes', [2, 3])
def test_the_default_is_logistic_regression_on_standardised_features(classes):
    train, labels = drawn(classes=classes)
    unseen, _ = drawn(classes=classes, seed=5)
    unseen[0] = 1e5  # far out: probabilities of float32 are 0 and 1 there
    probe = fit_probe(train, labels, 0.1)
    by_hand = LogisticRegression(C=0.1, max_iter=1000).fit(standardised(train, train), labels)
    seen = standardised(unseen, train)
    coef = probe.weight if classes > 2 else probe.weight[1:]
    np.testing.assert_allclose(coef, by_hand.coef_, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(probe.predict(unseen), by_hand.predict(seen))
    np.testing.assert_allclose(probe.probabilities(unseen), by_hand.predict_proba(seen), atol=1e-4)


@pytest.mark.parametrize('classes', [2, 3])
def test_clip_takes_features_as_they_are(classes):
    train, labels = drawn(classes=classes, dim=4)
    probe = fit_probe(train, labels, 0.316, protocol='clip')
    by_hand = LogisticRegression(C=0.316, max_iter=1000).fit(train, labels)
    np.testing.assert_array_equal(probe.weight[-1], by_hand.coef_[-1].astype(np.float32))
    np.testing.assert_array_equal(probe.predict(train), by_hand.predict(train))


@pytest.mark.parametrize('classes', [2, 3])
def test_plip_is_its_sgd_classifier(classes):
    train, labels = drawn(classes=classes)
    by_hand = SGDClassifier(
        random_state=1,
        loss='log_loss',
        alpha=0.001,
        penalty='l2',
        max_iter=10000,
        class_weight='balanced',
    ).fit(normalize(train), labels)
    probe = fit_probe(train, labels, 0.001, protocol='plip')
    coef = probe.weight if classes > 2 else probe.weight[1:]
    np.testing.assert_allclose(coef, by_hand.coef_, rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(probe.predict(train), by_hand.predict(normalize(train)))
    np.testing.assert_allclose(
        probe.probabilities(train), by_hand.predict_proba(normalize(train)), atol=1e-3
    )


def test_whyclip_is_a_linear_layer_under_adam():
    train, labels = drawn(count=150)
    unit = torch.from_numpy(normalize(train))
    probe = fit_probe(train, labels, 3, protocol='whyclip')
    layer = torch.nn.Linear(unit.shape[1], 3)
    draw = torch.Generator().manual_seed(42)
    bound = unit.shape[1] ** -0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=draw)
        layer.bias.uniform_(-bound, bound, generator=draw)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.001)
    for _ in range(3):
        for rows in torch.randperm(150, generator=draw).split(64):
            optimizer.zero_grad()
            loss = torch.nn.CrossEntropyLoss()(layer(unit[rows]), torch.from_numpy(labels)[rows])
            loss.backward()
            optimizer.step()
    np.testing.assert_allclose(probe.weight, layer.weight.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(probe.bias, layer.bias.detach().numpy(), atol=1e-5)


def test_training_leaves_global_randomness_alone():
    train, labels = drawn()
    torch.manual_seed(0)
    before = torch.get_rng_state()
    fit_probe(train, labels, 2, protocol='whyclip')
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(('name', 'value'), [('cite', 1), ('plip', 0.01), ('whyclip', 2)])
def test_the_same_numbers_give_the_same_probe(name, value):
    train, labels = drawn()
    one, two = (fit_probe(train, labels, value, protocol=name) for _ in range(2))
    np.testing.assert_array_equal(one.weight, two.weight)


def test_rows_of_a_mapped_file_are_those_of_the_array(tmp_path):
    train, labels = drawn()
    np.save(tmp_path / 'f.npy', train[::-1])
    mapped = np.load(tmp_path / 'f.npy', mmap_mode='r')
    rows = np.arange(len(train))[::-1].copy()
    one = fit_probe(Samples(mapped, labels, rows))
    np.testing.assert_array_equal(one.weight, fit_probe(train, labels).weight)


def test_a_constant_feature_does_no_harm():
    train, labels = drawn()
    train[:, 2] = 0.1
    probe = fit_probe(train, labels)
    assert np.isfinite(probe.weight).all()
    assert probe.scaling.std[2] == 1


@pytest.mark.parametrize('kind', ['softmax', 'one-vs-rest'])
def test_the_highest_score_has_the_highest_probability(kind):
    scores = np.array([[40, 41, 39], [-300, -301, -299.9], [0, 0, 0], [900, 20, 901]], np.float32)
    found = to_probabilities(scores, kind)
    np.testing.assert_array_equal(found.argmax(1), scores.argmax(1))
    np.testing.assert_allclose(found.sum(1), 1, rtol=1e-6)


def test_not_converged_is_said_and_not_warned(recwarn):
    train, labels = drawn()
    short = replace(PROTOCOLS['clip'], max_iter=4)
    probe = fit_probe(train, labels, 1e6, protocol=short)
    assert probe.about['converged'] is False
    assert probe.about['iterations'] == 4
    assert not [w for w in recwarn if 'converge' in str(w.message).lower()]


def test_bad_input_is_named():
    train, labels = drawn()
    spoilt = train.copy()
    spoilt[17, 3] = np.nan
    for features, truth, classes, message in (
        (spoilt, labels, None, 'row 17'),
        (train, np.zeros(120, int), None, 'two classes'),
        (train, np.where(labels == 2, 0, labels), ('a', 'b', 'c'), r'c \(0\)'),
        (train, np.r_[2, labels[1:] % 2], ('a', 'b', 'c'), r'c \(1\)'),
        (train, labels[:5], None, '120 rows'),
        (train, labels / 2, None, 'whole numbers'),
        (train[0], labels, None, 'shape'),
    ):
        with pytest.raises(DataError, match=message):
            fit_probe(features, truth, classes=classes)
    with pytest.raises(DataError, match='length 12, found 5'):
        fit_probe(train, labels).predict(train[:, :5])


def test_a_probe_needs_no_fit():
    probe = Probe(np.eye(2, dtype=np.float32), np.zeros(2, np.float32), ('a', 'b'))
    np.testing.assert_array_equal(probe.predict(np.float32([[1, 0], [0, 1]])), [0, 1])
