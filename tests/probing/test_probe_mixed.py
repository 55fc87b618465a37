"""Slides with patches of several classes: whole on one side, and no results of slides."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from feature_sets import sets
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.errors import ConfigError, DataError
from cite.probing import PROTOCOLS, probe
from cite.probing.mixed import mixed_slides, set_aside
from cite.probing.report import write_report
from cite.probing.sets import Part, few_shots, held_out


def mixed(part, per_slide=6):
    """The same patches, of which every six, two of each class, are of one slide."""
    source = part.table.source
    slides = np.array([f'{source}_{row // per_slide:03}' for row in range(len(part.table))])
    return Part(replace(part.table, slides=slides), part.rows)


def all_mixed(apart=0.6):
    features, whole = sets(apart)
    parts = {name: mixed(getattr(whole, name)) for name in ('train', 'validation', 'test')}
    return features, replace(whole, **parts)


def test_mixed_slides_are_named():
    assert mixed_slides(['b', 'a', 'b', 'a', 'c', 'b'], np.array([0, 1, 0, 0, 1, 2])) == ['a', 'b']
    assert not sets()[1].train.has_mixed_slides


@settings(max_examples=40, deadline=None)
@given(st.floats(0.1, 0.9), st.integers(0, 30), st.integers(2, 7), st.booleans())
def test_they_lie_on_one_side(share, seed, per_slide, patients):
    part = mixed(sets()[1].train, per_slide)
    if patients:
        owners = [f'p{int(slide[-3:]) // 2}' for slide in part.table.slides]
        part = Part(replace(part.table, patients=owners), part.rows)
    rest, aside = held_out(part, share, seed)
    unit = 'patients' if patients else 'slides'
    assert not set(getattr(rest.table, unit)) & set(getattr(aside.table, unit))
    assert sorted([*rest.rows, *aside.rows]) == list(range(120))
    assert set(rest.table.labels) == set(aside.table.labels) == {0, 1, 2}
    np.testing.assert_array_equal(aside.rows, held_out(part, share, seed)[1].rows)


def test_the_share_is_of_slides():
    part = mixed(sets()[1].train)
    assert len(set(held_out(part, 0.2)[1].table.slides)) == 4  # of 20
    with pytest.raises(ConfigError, match='between 0 and 1'):
        held_out(part, 1.5)


def test_a_class_on_one_slide_is_told():
    table = mixed(sets()[1].train).table
    labels = np.where(np.arange(120) < 6, table.labels, table.labels % 2)
    with pytest.raises(DataError, match="'scc' is on 1 slides"):
        set_aside(replace(table, labels=labels), 0.2, 0)


def test_shots_are_refused():
    _, whole = all_mixed()
    with pytest.raises(DataError, match=r'--shots .* several: train_000'):
        few_shots(whole, 1, 0)


def test_there_are_results_of_patches_alone(tmp_path):
    features, whole = all_mixed()
    models = [probe(features, whole, name=name) for name in ('one', 'two')]
    text = write_report(tmp_path, models, whole, PROTOCOLS['cite'])
    assert 'patch (n = 60)' in text and 'slide (n' not in text
    assert 'no results of slides: 10 of 10' in text.replace('\n', ' ')
    results = json.loads((tmp_path / 'results.json').read_text())
    assert 'slide' not in {**results, **results['differences']['two'], **results['intervals']}
    assert results['intervals']['patch']['balanced_accuracy']['unit'] == 'slide'
    assert results['differences']['two']['patch']['n_units'] == 10
    assert 'training patches' in results['baselines']['majority']['title']
    assert 'no results of slides' in (tmp_path / 'probe.md').read_text()


def test_mixed_training_leaves_results_of_slides_that_are_not(tmp_path):
    features, whole = sets(0.6)
    whole = replace(whole, train=mixed(whole.train))
    write_report(tmp_path, [probe(features, whole)], whole, PROTOCOLS['cite'])
    assert json.loads((tmp_path / 'results.json').read_text())['slide']['n'] == 15
