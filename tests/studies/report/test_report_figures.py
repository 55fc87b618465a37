"""Curves against their definitions, and pictures of studies at the edge of what there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_facts import made_facts

from cite.studies.report.figures import factors, forest, roc
from cite.studies.report.figures.class_curves import GRID, classes_shown
from cite.studies.report.figures.cost import median
from cite.studies.report.figures.pictures import PICTURES
from cite.studies.report.figures.precision_recall import precision_at
from cite.studies.report.figures.shots import positions
from cite.studies.report.figures.style import looks
from cite.studies.report.gather import MAIN_LEVEL

scores = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0])),
    min_size=2,
    max_size=40,
).filter(lambda pairs: 0 < sum(label for label, _ in pairs) < len(pairs))


@settings(max_examples=25, deadline=None)
@given(scores)
def test_precision_is_that_of_the_first_threshold_that_reaches_the_recall(pairs):
    positive = np.array([label for label, _ in pairs])
    score = np.array([value for _, value in pairs])
    height = precision_at(positive, score)
    for recall, value in zip(GRID[1::20], height[1::20], strict=True):
        for threshold in sorted(set(score), reverse=True):
            called = score >= threshold
            if (called & positive).sum() / positive.sum() >= recall - 1e-9:
                assert value == pytest.approx((called & positive).sum() / called.sum())
                break


@settings(max_examples=25, deadline=None)
@given(scores)
def test_area_under_the_drawn_roc_is_the_auroc(pairs):
    from sklearn.metrics import roc_auc_score

    positive = np.array([label for label, _ in pairs])
    score = np.array([value for _, value in pairs])
    height = roc.roc(positive, score)
    assert np.trapezoid(height, GRID) == pytest.approx(roc_auc_score(positive, score), abs=0.01)
    assert (np.diff(height) >= -1e-12).all()


@pytest.mark.parametrize(
    'facts',
    [
        {'quality': {'one': 2.0}, 'classes': ('no', 'yes'), 'splits': 1, 'temperature': None},
        {
            'quality': {f'method number {i} $a$': i / 5 for i in range(7)} | {'colour': 0.2},
            'classes': tuple(f'class {c} with a name that is long' for c in 'abc'),
            'slides': 5,
            'shots': ('1', 'all'),
            'factors': {f'method number {i} $a$': {'head': 'ab'[i % 2]} for i in range(7)},
        },
    ],
    ids=['least', 'much'],
)
def test_every_picture_can_be_drawn(facts):
    made = made_facts(**facts)
    drawn = {}
    for picture in PICTURES:
        figure = picture.draw(made)
        if figure is not None:
            figure.set_dpi(40)
            figure.canvas.draw()
            drawn[picture.NAME] = picture.caption(made)
    much = len(made.material.methods) > 1
    assert set(drawn) == {p.NAME for p in PICTURES} - (
        set() if much else {'differences', 'factors'}
    )
    assert all(text.endswith('.') for text in drawn.values())


def test_methods_look_different_and_baselines_grey():
    styles = looks(made_facts({f'm{i}': 1.0 for i in range(15)} | {'colour': 0.1}, splits=1))
    seen = {(one.color, one.marker, str(one.dash)) for one in styles.values()}
    assert len(seen) == len(styles)
    assert styles['colour'].color not in {styles[f'm{i}'].color for i in range(15)}


def test_two_classes_have_one_curve():
    table = made_facts({'one': 1.0}, classes=('no', 'yes'), splits=1).material.done[0]
    assert classes_shown(table.tables[MAIN_LEVEL]) == [1]


def test_shots_lie_by_their_size_and_all_behind():
    found = positions(['1', '2', '8', 'all'])
    assert found['8'] - found['2'] == 2 * (found['2'] - found['1'])
    assert found['all'] > found['8']
    assert positions(['all']) == {'all': 0.0}


def test_a_level_is_the_mean_of_its_methods():
    facts = made_facts(
        {'a': 0.5, 'b': 2.0, 'c': 5.0},
        factors={'a': {'head': 'x'}, 'b': {'head': 'y'}, 'c': {'head': 'y'}},
    )
    found = factors.averages(facts, 'head')
    means = {name: facts.mean(name) for name in 'abc'}
    assert found['x'][0][0] == pytest.approx(means['a'])
    assert found['y'][0][0] == pytest.approx((means['b'] + means['c']) / 2)
    assert [count for _, count in found.values()] == [1, 2]


def test_unknown_costs_are_none():
    (run,) = made_facts({'a': 1.0}, splits=1).material.done
    assert median([run], 'peak_memory_mb') is None
    assert median([run], 'seconds') == 2.0


def test_p_values_as_text():
    assert forest.p_text(0.00049) == '< 0.001'
    assert forest.p_text(0.0314) == '= 0.031'
