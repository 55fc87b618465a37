from __future__ import annotations

import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.errors import CiteError, ConfigError, DataError
from cite.evaluation import calibration
from cite.evaluation.calibration import (
    apply_temperature,
    brier,
    classwise_ece,
    ece,
    fit_temperature,
    log_loss,
    reliability,
)

MEASURES = (log_loss, brier, ece, classwise_ece, fit_temperature)


def drawn(n=400, classes=3, seed=0, sharpness=1.0):
    """Labels drawn from softmax(logits), and softmax(sharpness · logits) as what a model says."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 1.5, (n, classes))
    true = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    labels = (rng.random((n, 1)) > true.cumsum(1)).sum(1).clip(0, classes - 1)
    said = np.exp(sharpness * logits)
    return (said / said.sum(1, keepdims=True)).astype(np.float32), labels


def ece_by_hand(confidence, hit, bins=15):
    """Bins (lower, upper], with edges in float32, one sample after the other."""
    edges = [np.float32(i / bins) for i in range(bins + 1)]
    total = 0.0
    for low, high in itertools.pairwise(edges):
        rows = [i for i, c in enumerate(confidence) if low < c <= high or (c <= low == 0)]
        if rows:
            gap = np.mean([hit[i] for i in rows]) - np.mean([float(confidence[i]) for i in rows])
            total += len(rows) / len(hit) * abs(gap)
    return total


@st.composite
def scored(draw):
    """Few distinct probabilities, many of them on edges of bins (twelfths and fifteenths)."""
    classes = draw(st.integers(2, 4))
    n = draw(st.integers(1, 20))
    labels = draw(st.lists(st.integers(0, classes - 1), min_size=n, max_size=n))
    row = st.lists(st.integers(0, 5), min_size=classes, max_size=classes).filter(any)
    weights = np.array(draw(st.lists(row, min_size=n, max_size=n)), float)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32), np.array(labels)


@settings(max_examples=60, deadline=None)
@given(scored())
def test_values_are_their_definitions(sample):
    p, labels = sample
    exact = p.astype(np.float64)
    one_hot = np.eye(p.shape[1])[labels]
    hit = p.argmax(1) == labels
    assert ece(p, labels) == pytest.approx(ece_by_hand(p.max(1), hit), abs=1e-12)
    of_classes = [ece_by_hand(p[:, c], one_hot[:, c]) for c in range(p.shape[1])]
    assert classwise_ece(p, labels) == pytest.approx(np.mean(of_classes), abs=1e-12)
    assert brier(p, labels) == pytest.approx(((exact - one_hot) ** 2).sum(1).mean(), abs=1e-12)
    true = np.clip(exact[np.arange(len(labels)), labels], 2**-23, 1 - 2**-23)
    losses = [-math.log(value) for value in true]
    assert log_loss(p, labels) == pytest.approx(sum(losses) / len(losses), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(scored(), st.randoms(use_true_random=False))
def test_order_of_rows_is_of_no_consequence_to_the_last_bit(sample, random):
    p, labels = sample
    order = list(range(len(labels)))
    random.shuffle(order)
    for measure in MEASURES:
        assert measure(p[order], labels[order]) == measure(p, labels)
    assert reliability(p[order], labels[order]) == reliability(p, labels)


@settings(max_examples=20, deadline=None)
@given(scored())
def test_a_perfect_predictor_has_no_error(sample):
    p, labels = sample
    perfect = np.eye(p.shape[1])[labels]
    assert brier(perfect, labels) == ece(perfect, labels) == classwise_ece(perfect, labels) == 0
    assert log_loss(perfect, labels) == pytest.approx(0, abs=2e-7)


@pytest.mark.parametrize(('classes', 'labels'), [(2, (0, 1)), (5, (0, 1, 2, 3, 4)), (4, (0, 2))])
def test_log_loss_and_brier_are_those_of_scikit_learn(classes, labels):
    import sklearn.metrics as sk

    p, _ = drawn(700, classes)
    labels = np.random.default_rng(1).choice(labels, 700)
    names = list(range(classes))
    exact = p.astype(np.float64)
    with warnings.catch_warnings():  # of rows that sum to 1 in float32 only
        warnings.simplefilter('ignore', UserWarning)
        assert p.min() > 2**-23  # nothing is clipped, so that float64 may be compared
        expected = sk.log_loss(labels, exact, labels=names)
        assert log_loss(p, labels) == pytest.approx(expected, abs=1e-9)
        assert log_loss(p, labels) == pytest.approx(sk.log_loss(labels, p, labels=names), rel=1e-5)
        certain = np.eye(classes, dtype=np.float32)[(labels + 1) % classes]  # always wrong
        expected = sk.log_loss(labels, certain, labels=names)
        assert log_loss(certain, labels) == pytest.approx(expected, rel=1e-6)
        if classes == 2:  # which scikit-learn halves; of more, older versions know none
            halved = sk.brier_score_loss(labels == 1, exact[:, 1])
            assert brier(p, labels) == pytest.approx(2 * halved, abs=1e-7)


@pytest.mark.parametrize('classes', [2, 3, 5])
@pytest.mark.parametrize('sharpness', [0.3, 1.0, 1.5])
def test_calibration_errors_are_those_of_torchmetrics(classes, sharpness):
    torchmetrics = pytest.importorskip('torchmetrics.functional.classification')
    torch = pytest.importorskip('torch')
    p, labels = drawn(3000, classes, sharpness=sharpness)
    # torchmetrics closes bins below, and keeps a confidence of 1 in a bin of its own: away from edges,
    # nothing of that remains. Its top-label error is summed in float32, the binary one in float64.
    assert p.max() < 1
    given, target = torch.tensor(p, dtype=torch.float64), torch.tensor(labels)
    theirs = torchmetrics.multiclass_calibration_error(given, target, classes, 15, 'l1')
    assert ece(p, labels) == pytest.approx(float(theirs), abs=2e-6)

    def binary(scores, hit):
        return float(torchmetrics.binary_calibration_error(scores.contiguous(), hit.long(), 15))

    confidence, top = given.max(1)
    assert ece(p, labels) == pytest.approx(binary(confidence, top == target), abs=1e-9)
    of_classes = [binary(given[:, c], target == c) for c in range(classes)]
    assert classwise_ece(p, labels) == pytest.approx(np.mean(of_classes), abs=1e-9)


def test_bins_of_a_diagram():
    p = np.array([[0.9, 0.1], [0.2, 0.8], [0.55, 0.45], [0.5, 0.5], [1, 0]])
    labels = np.array([0, 0, 0, 1, 0])
    bars = reliability(p, labels, bins=5)
    assert [bar.count for bar in bars] == [0, 0, 2, 1, 2]  # 0.8 is at the end of (0.6, 0.8]
    assert bars[0].confidence is None and bars[0].accuracy is None
    assert (bars[2].lower, bars[2].upper, bars[2].accuracy) == (0.4, 0.6, 0.5)
    assert bars[2].confidence == pytest.approx(0.525)
    assert bars[3].accuracy == 0 and bars[4].accuracy == 1
    gaps = sum(b.count * abs(b.accuracy - b.confidence) for b in bars if b.count) / 5
    assert ece(p, labels, bins=5) == pytest.approx(gaps)


def test_calibrated_probabilities_have_temperature_one():
    p = np.array([[0.75, 0.25]] * 4)
    assert fit_temperature(p, np.array([0, 0, 0, 1])) == pytest.approx(1, abs=1e-6)
    assert fit_temperature(*drawn(20_000)) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize('sharpness', [0.5, 2.0, 8.0])
def test_temperature_undoes_what_was_done_to_the_logits(sharpness):
    p, labels = drawn(4000)
    best = fit_temperature(p, labels)
    said, _ = drawn(4000, sharpness=sharpness)
    found = fit_temperature(said, labels)
    assert found == pytest.approx(sharpness * best, rel=1e-4)
    corrected = apply_temperature(said, found)
    assert log_loss(corrected, labels) == pytest.approx(
        log_loss(apply_temperature(p, best), labels), abs=1e-6
    )
    assert log_loss(corrected, labels) < log_loss(said, labels)
    if sharpness == 8.0:
        assert ece(corrected, labels) < 0.1 * ece(said, labels)


@settings(max_examples=25, deadline=None)
@given(scored())
def test_no_temperature_of_a_grid_is_better(sample):
    p, labels = sample

    def loss(t):
        true = apply_temperature(p, t)[np.arange(len(labels)), labels]
        return -np.log(np.maximum(true, 1e-300)).mean()

    found = fit_temperature(p, labels)
    assert calibration.LOWEST <= found <= calibration.HIGHEST
    assert loss(found) <= min(map(loss, np.geomspace(0.05, 20, 60))) + 1e-9


def test_temperature_at_its_bounds():
    p = np.array([[0.8, 0.2], [0.3, 0.7]])
    assert fit_temperature(p, np.array([0, 1])) == calibration.LOWEST
    assert fit_temperature(p, np.array([1, 0])) == calibration.HIGHEST
    assert fit_temperature(np.eye(2), np.array([0, 1])) == calibration.LOWEST
    assert fit_temperature(np.full((3, 4), 0.25), np.array([0, 1, 1])) == 1
    assert fit_temperature(p[:1], np.array([0])) == calibration.LOWEST


@settings(max_examples=25, deadline=None)
@given(scored(), st.floats(0.05, 20))
def test_temperature_keeps_distributions_and_predictions(sample, temperature):
    p, _ = sample
    found = apply_temperature(p, temperature)
    np.testing.assert_allclose(found.sum(1), 1)
    top = found[np.arange(len(p)), p.argmax(1)]
    np.testing.assert_array_equal(top, found.max(1))
    np.testing.assert_allclose(apply_temperature(p, 1), p, atol=2e-7)


def test_temperature_is_that_of_the_logits_also_where_float32_says_certain():
    logits = np.array([[60.0, 0.0, -5.0], [0.0, 40.0, 39.0]])
    p = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True)).astype(np.float32)
    softened = np.exp(logits / 20) / np.exp(logits / 20).sum(1, keepdims=True)
    assert p[0, 0] == 1
    np.testing.assert_allclose(apply_temperature(p, 20), softened, rtol=1e-6)


@pytest.mark.parametrize('measure', MEASURES)
def test_what_is_no_sample_is_refused(measure):
    with pytest.raises(DataError, match='one label per sample'):
        measure(np.zeros((0, 2)), np.zeros(0, int))
    with pytest.raises(DataError, match='softmax'):
        measure(np.array([[3.0, 1.0]]), np.array([0]))
    with pytest.raises(CiteError):
        measure(np.array([0.5]), np.array([0]))


def test_impossible_options_are_refused():
    p, labels = drawn(5)
    with pytest.raises(ConfigError, match='1 bin or more, found 0'):
        ece(p, labels, bins=0)
    for temperature in (0, -1, float('nan'), float('inf')):
        with pytest.raises(ConfigError, match='above 0'):
            apply_temperature(p, temperature)
