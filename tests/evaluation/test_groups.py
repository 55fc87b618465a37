from __future__ import annotations

import numpy as np
import pytest

from cite.errors import DataError
from cite.evaluation.groups import gap, metrics_by_group, select
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions

CLASSES = ('well', 'moderate', 'poor')


def made(rows=60, patients=False, seed=0):
    """12 slides of 3 classes, 5 patches each."""
    rng = np.random.default_rng(seed)
    slides = [f's{i % 12:02}' for i in range(rows)]
    return Predictions(
        files=[f'{i}.png' for i in range(rows)],
        labels=np.array([int(slide[1:]) % 3 for slide in slides]),
        probabilities=rng.dirichlet(np.ones(3), rows),
        slides=slides,
        classes=CLASSES,
        patients=[f'p{slide}' for slide in slides] if patients else None,
    )


def halves(slide):
    return 'A' if int(slide[1:]) < 6 else 'B'


GROUPS = {f's{i:02}': halves(f's{i:02}') for i in range(12)}


def test_each_group_is_evaluated_by_itself():
    predictions = made()
    first, second = metrics_by_group(predictions, {**GROUPS, 'not predicted': 'C'})
    assert (first.name, second.name) == ('A', 'B')
    assert first.slides == tuple(f's{i:02}' for i in range(6))
    assert first.slides_per_class == dict.fromkeys(CLASSES, 2) and first.missing == []
    rows = [i for i, slide in enumerate(predictions.slides) if halves(slide) == 'A']
    assert first.metrics == evaluate(select(predictions, rows))
    assert first.metrics['patch']['n'] == 30 and first.metrics['slide']['n'] == 6
    assert first.metrics != second.metrics


def test_one_group_is_the_whole():
    predictions = made(patients=True)
    (only,) = metrics_by_group(predictions, dict.fromkeys(predictions.slides, 'all'))
    assert only.metrics == evaluate(predictions)


def test_groups_take_the_aggregation_of_the_whole():
    predictions = made(patients=True)
    (only,) = metrics_by_group(predictions, dict.fromkeys(predictions.slides, 'all'), 'topk', 2)
    assert only.metrics == evaluate(predictions, 'topk', 2) != evaluate(predictions)


def test_order_of_rows_is_of_no_consequence():
    predictions = made()
    mixed = select(predictions, np.random.default_rng(1).permutation(len(predictions)))
    assert metrics_by_group(mixed, GROUPS) == metrics_by_group(predictions, GROUPS)


def test_a_group_may_lack_a_class_and_says_so():
    groups = {slide: 'A' if int(slide[1:]) % 3 < 2 else 'B' for slide in GROUPS}
    first, second = metrics_by_group(made(), groups)
    assert first.missing == ['poor'] and second.missing == ['well', 'moderate']
    assert second.metrics['patch']['auroc'] is None
    assert gap([first, second], 'patch', 'auroc') is None


def test_a_slide_without_a_group_is_refused():
    with pytest.raises(DataError, match='2 slides have no group, first: s10, s11'):
        metrics_by_group(made(), {k: v for k, v in GROUPS.items() if k < 's10'})


def test_gap_is_from_best_to_worst():
    groups = metrics_by_group(made(), {slide: slide for slide in GROUPS})
    values = {g.name: g.metrics['patch']['balanced_accuracy'] for g in groups}
    best, worst, difference = gap(groups, 'patch', 'balanced_accuracy')
    assert values[best] == max(values.values()) and values[worst] == min(values.values())
    assert difference == pytest.approx(values[best] - values[worst])
    assert gap(groups[:1], 'patch', 'balanced_accuracy') is None


def test_select_keeps_every_column():
    part = select(made(patients=True), [5, 3])
    assert part.files == ['5.png', '3.png'] and part.patients == ['ps05', 'ps03']
    np.testing.assert_array_equal(part.probabilities, made().probabilities[[5, 3]])
