from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.errors import ConfigError, DataError
from cite.evaluation.metrics import (
    KEYS,
    LATER_KEYS,
    classification_metrics,
    evaluate,
    level_metrics,
)
from cite.evaluation.predictions import Predictions

NAMES = ('g1', 'g2', 'g3', 'g4', 'g5')


@st.composite
def samples(draw):
    """Labels and probabilities with few distinct values, so that ties and gaps are common."""
    n_classes = draw(st.integers(2, 5))
    n = draw(st.integers(1, 25))
    labels = draw(st.lists(st.integers(0, n_classes - 1), min_size=n, max_size=n))
    row = st.lists(st.integers(0, 3), min_size=n_classes, max_size=n_classes).filter(any)
    weights = np.array(draw(st.lists(row, min_size=n, max_size=n)), float)
    probabilities = (weights / weights.sum(1, keepdims=True)).astype(np.float32)
    return np.array(labels), probabilities, NAMES[:n_classes]


def confusion_by_hand(labels, predicted, n_classes):
    table = np.zeros((n_classes, n_classes), int)
    for label, prediction in zip(labels, predicted, strict=True):
        table[label, prediction] += 1
    return table


def kappa_by_hand(table):
    """1 - observed / expected disagreement, with weights (i - j)²."""
    n = table.sum()
    weights = np.subtract.outer(np.arange(len(table)), np.arange(len(table))) ** 2
    expected = np.outer(table.sum(1), table.sum(0)) / n
    disagreement = (weights * expected).sum()
    return None if disagreement == 0 else 1 - (weights * table).sum() / disagreement


def auroc_by_hand(positive, scores):
    """Share of pairs (positive, negative) in the right order; a tie counts half."""
    if positive.all() or not positive.any():
        return None
    difference = np.subtract.outer(scores[positive], scores[~positive])
    return ((difference > 0) + 0.5 * (difference == 0)).mean()


@settings(max_examples=50, deadline=None)
@given(samples())
def test_metrics_are_their_definitions(sample):
    labels, probabilities, classes = sample
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        found = classification_metrics(labels, probabilities, classes)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    predicted = probabilities.argmax(1)
    table = confusion_by_hand(labels, predicted, len(classes))

    assert found['confusion'] == table.tolist()
    assert sum(map(sum, found['confusion'])) == found['n'] == len(labels)
    assert found['accuracy'] == pytest.approx((labels == predicted).mean())

    recalls = [
        (predicted[labels == c] == c).mean() if (labels == c).any() else None
        for c in range(len(classes))
    ]
    assert list(found['per_class_accuracy']) == list(classes)
    assert list(found['per_class_accuracy'].values()) == pytest.approx(recalls)
    present = [recall for recall in recalls if recall is not None]
    assert found['balanced_accuracy'] == pytest.approx(np.mean(present))
    assert found['missing_classes'] == [
        c for c, r in zip(classes, recalls, strict=True) if r is None
    ]

    f1 = [
        2 * table[c, c] / (table[c].sum() + table[:, c].sum())
        for c in range(len(classes))
        if table[c].sum() + table[:, c].sum()
    ]
    assert found['macro_f1'] == pytest.approx(np.mean(f1))
    assert set(found) == {*KEYS, *LATER_KEYS}
    kappa = kappa_by_hand(table)
    assert (found['quadratic_kappa'] is None) == (kappa is None)
    if kappa is not None:
        assert found['quadratic_kappa'] == pytest.approx(kappa)

    columns = [1, 1] if len(classes) == 2 else range(len(classes))
    aurocs = [auroc_by_hand(labels == c, probabilities[:, c]) for c in columns]
    assert list(found['per_class_auroc'].values()) == [
        None if value is None else pytest.approx(value) for value in aurocs
    ]
    defined = [value for value in aurocs if value is not None]
    assert found['auroc'] == (pytest.approx(np.mean(defined)) if defined else None)


@settings(max_examples=15, deadline=None)
@given(samples(), st.randoms(use_true_random=False))
def test_order_of_samples_does_not_matter(sample, random):
    labels, probabilities, classes = sample
    order = list(range(len(labels)))
    random.shuffle(order)
    before = classification_metrics(labels, probabilities, classes)
    assert classification_metrics(labels[order], probabilities[order], classes) == before


@settings(max_examples=15, deadline=None)
@given(samples())
def test_kappa_treats_truth_and_prediction_alike(sample):
    labels, probabilities, classes = sample
    predicted = probabilities.argmax(1)
    eye = np.eye(len(classes))
    one_way = classification_metrics(labels, eye[predicted], classes)['quadratic_kappa']
    other_way = classification_metrics(predicted, eye[labels], classes)['quadratic_kappa']
    assert one_way == (None if other_way is None else pytest.approx(other_way))


@settings(max_examples=15, deadline=None)
@given(samples())
def test_perfect_predictions_score_one(sample):
    labels, _, classes = sample
    found = classification_metrics(labels, np.eye(len(classes))[labels], classes)
    several = len(set(labels.tolist())) > 1
    assert found['accuracy'] == found['balanced_accuracy'] == found['macro_f1'] == 1
    assert found['weighted_f1'] == 1
    assert found['auroc'] == found['auprc'] == (1 if several else None)
    assert found['brier'] == found['ece'] == found['classwise_ece'] == 0
    assert found['log_loss'] == pytest.approx(0, abs=2e-7)
    assert found['quadratic_kappa'] == (pytest.approx(1) if several else None)


def test_single_sample():
    found = classification_metrics(np.array([1]), np.array([[0.6, 0.3, 0.1]]), NAMES[:3])
    assert (found['n'], found['accuracy'], found['balanced_accuracy']) == (1, 0, 0)
    assert found['per_class_accuracy'] == {'g1': None, 'g2': 0, 'g3': None}
    assert found['missing_classes'] == ['g1', 'g3']
    assert found['auroc'] is None
    assert found['quadratic_kappa'] == 0  # truth is one class, prediction another: defined


def test_missing_class_is_left_out_of_balanced_accuracy_but_costs_f1():
    labels = np.array([0, 0, 1, 1])
    found = classification_metrics(labels, np.eye(3)[[0, 0, 1, 2]], NAMES[:3])
    assert found['balanced_accuracy'] == 0.75
    assert found['missing_classes'] == ['g3']
    assert found['macro_f1'] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert found['per_class_auroc']['g3'] is None
    assert found['auroc'] == pytest.approx((1 + 0.75) / 2)


def test_binary_auroc_is_one_curve_also_where_float32_saturates():
    # 1 - 1e-9 and 1 - 1e-10 are both 1.0 in float32, so that column 0 has ties, column 1 none
    second = np.array([1e-9, 1e-10, 1e-9 * 2, 1e-11])
    probabilities = np.stack([1 - second, second], axis=1)
    found = classification_metrics(np.array([1, 0, 1, 0]), probabilities, NAMES[:2])
    assert found['per_class_auroc'] == {'g1': 1, 'g2': 1}
    assert found['auroc'] == 1


def test_evaluate_scores_patches_and_slides():
    predictions = Predictions(
        files=['1', '2', '3', '4'],
        labels=np.array([0, 0, 0, 1]),
        probabilities=np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]),
        slides=['s', 's', 's', 't'],
        classes=('a', 'b'),
    )
    results = evaluate(predictions)
    assert list(results) == ['patch', 'slide']
    assert (results['patch']['n'], results['patch']['accuracy']) == (4, 0.75)
    assert (results['slide']['n'], results['slide']['accuracy']) == (2, 1)
    assert level_metrics(results, 'slide') is results['slide']


@pytest.mark.parametrize(('classes', 'seen'), [(2, 2), (3, 3), (5, 5), (5, 3), (4, 1)])
def test_values_are_those_of_scikit_learn(classes, seen):
    import sklearn.metrics as sk

    rng = np.random.default_rng(classes)
    labels = rng.integers(0, seen, 900)
    p = rng.dirichlet(np.ones(classes), 900).astype(np.float32)
    p[labels == 0, 0] += 0.4
    p /= p.sum(1, keepdims=True)
    predicted, names = p.argmax(1), NAMES[:classes]
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # it warns where samples define less than they might
        expected = {
            'accuracy': sk.accuracy_score(labels, predicted),
            'balanced_accuracy': sk.balanced_accuracy_score(labels, predicted),
            'macro_f1': sk.f1_score(labels, predicted, average='macro', zero_division=0),
            'weighted_f1': sk.f1_score(labels, predicted, average='weighted', zero_division=0),
            'quadratic_kappa': sk.cohen_kappa_score(labels, predicted, weights='quadratic'),
        }
        present = [c for c in range(classes) if 0 < (labels == c).sum() < 900]
        curve = {c: 1 if classes == 2 else c for c in present}  # two classes share one
        area = {c: sk.roc_auc_score(labels == curve[c], p[:, curve[c]]) for c in present}
        precision = {c: sk.average_precision_score(labels == c, p[:, c]) for c in present}
    if seen < classes:
        assert set(predicted) == set(range(classes))  # so that kappa's grades keep their distances
    found = classification_metrics(labels, p, names)
    assert {key: found[key] for key in expected} == pytest.approx(expected, abs=1e-9)
    for key, of_class in (('auroc', area), ('auprc', precision)):
        values = [of_class.get(c) for c in range(classes)]
        assert found[f'per_class_{key}'] == pytest.approx(dict(zip(names, values, strict=True)))
        mean = np.mean(list(of_class.values())) if of_class else None
        assert found[key] == (None if mean is None else pytest.approx(mean, abs=1e-9))
    confusion = sk.confusion_matrix(labels, predicted, labels=range(classes))
    assert found['confusion'] == confusion.tolist()


def with_patients(labels=(0, 0, 0, 1)):
    return Predictions(
        files=['1', '2', '3', '4'],
        labels=np.array(labels),
        probabilities=np.array([[0.9, 0.1], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]),
        slides=['s', 's', 'u', 't'],
        classes=('a', 'b'),
        patients=['p', 'p', 'p', 'q'],
    )


def test_patients_are_evaluated_where_each_has_one_label():
    results = evaluate(with_patients())
    assert list(results) == ['patch', 'slide', 'patient']
    assert [results[level]['n'] for level in results] == [4, 3, 2]
    assert level_metrics(results, 'patient')['accuracy'] == 1
    assert results['slide']['accuracy'] == pytest.approx(2 / 3)
    assert list(evaluate(with_patients((0, 0, 1, 1)))) == ['patch', 'slide']


def test_the_aggregation_decides_slides_and_patients_but_no_patch():
    predictions = with_patients()
    found = {how: evaluate(predictions, how) for how in ('mean', 'logmean')}
    assert found['mean']['patch'] == found['logmean']['patch']
    for how, results in found.items():
        for level, table in (
            ('slide', predictions.by_slide(how)),
            ('patient', predictions.by_patient(how)),
        ):
            expected = classification_metrics(table.labels, table.probabilities, table.classes)
            assert results[level] == expected
    assert evaluate(predictions, 'topk', 1) == evaluate(predictions, 'max')
    with pytest.raises(ConfigError, match='known: mean, median'):
        evaluate(predictions, 'average')


def test_results_of_an_earlier_version_stay_readable():
    results = evaluate(with_patients())
    old = {level: {key: results[level][key] for key in KEYS} for level in results}
    found = level_metrics(old, 'slide')
    assert {key: found[key] for key in KEYS} == old['slide']
    assert [found[key] for key in LATER_KEYS] == [None] * 7
    assert set(old['slide']) == set(KEYS)  # what was read is left as it was


def test_logits_and_incomplete_results_are_refused():
    with pytest.raises(DataError, match='softmax'):
        classification_metrics(np.array([0]), np.array([[3.0, -1.0]]), ('a', 'b'))
    with pytest.raises(DataError, match=r"Results at 'slide' lack n, classes"):
        level_metrics({'patch': {}}, 'slide')
