"""Objections: each is made where it applies, and not where it does not."""

from __future__ import annotations

import dataclasses

import pytest
from made_facts import made_facts

from cite.studies.report.inference import Interval
from cite.studies.report.objections import evidence, results
from cite.studies.report.referee import OBJECTIONS
from cite.studies.report.stains import StainGroupResult, Stains
from cite.studies.run_key import RunKey

TWO = {'cite': 6.0, 'linear': 1.0}


def group(name, estimate, half, missing=()):
    interval = Interval(estimate, estimate - half, estimate + half)
    return StainGroupResult(name, 'pale pink', 20, missing, interval)


def stained(*groups):
    return {'quality': TWO, 'stains': Stains('cite', groups)}


CASES = {
    'incomplete': (
        {'quality': TWO, 'failed': [RunKey('cite', '2', 0, 0)]},
        '1 of 4 runs have no result (1 failed, 0 not done), of cite',
        {'quality': TWO},
    ),
    'few_units': (
        {'quality': TWO, 'slides': 29},
        'a 29, b 29, c 29',
        {'quality': TWO, 'slides': 30},
    ),
    'few_runs': (
        {'quality': TWO, 'splits': 4},
        'Fewer than 5 runs for all methods (least: 4)',
        {'quality': TWO, 'splits': 5},
    ),
    'no_patients': ({'quality': TWO}, 'not by patient', {'quality': TWO, 'patients': True}),
    'best_not_apart': (
        {'quality': {'cite': 1.0, 'linear': 1.0}, 'slides': 20},
        'does not tell it from',
        {'quality': {'cite': 8.0, 'linear': 0.0}, 'slides': 60, 'splits': 5},
    ),
    'colour_as_good': (
        {'quality': {'cite': 1.0, 'linear': 5.0, 'colour': 1.2}},
        'at k = 2',
        {'quality': {'cite': 6.0, 'colour': 0.0}, 'slides': 40},
    ),
    'no_baseline': ({'quality': TWO}, 'No baseline', {'quality': {**TWO, 'colour': 0.1}}),
    'stain': (
        stained(group('A', 0.9, 0.05), group('B', 0.6, 0.1)),
        '0.900 on group A (pale pink) and 0.600 on group B',
        stained(group('A', 0.9, 0.05), group('B', 0.8, 0.1), group('C', 0.1, 0.1, ('a',))),
    ),
    'preset': (
        {'quality': TWO, 'how': 'preset'},
        'At k = 2 settings are presets',
        {'quality': TWO},
    ),
    'no_temperature': ({'quality': TWO, 'temperature': None}, 'At k = 2 no temp', {'quality': TWO}),
    'temperature_at_bound': (
        {'quality': TWO, 'temperature': 0.05},
        'In 4 of 4 runs',
        {'quality': TWO},
    ),
    'scaling_harms': (
        {'quality': TWO, 'temperature': 19.0},
        'cite (',
        {'quality': {'cite': 4.0}, 'temperature': 1.0},
    ),
    'winners_curse': (
        {'quality': {f'm{i}': 1.0 for i in range(11)}, 'splits': 1},
        '11 methods',
        {'quality': {f'm{i}': 1.0 for i in range(10)}, 'splits': 1},
    ),
}


@pytest.mark.parametrize('name', CASES)
def test_objection(name):
    applies, words, does_not = CASES[name]
    function = next(one for one in OBJECTIONS if one.__name__ == name)
    (sentence,) = function(made_facts(**applies))
    assert words in sentence
    assert sentence.endswith('.')
    assert function(made_facts(**does_not)) == []


def test_every_objection_is_tried():
    assert {function.__name__ for function in OBJECTIONS} == {*CASES, 'classes_missing'}


def test_a_class_without_slides():
    facts = made_facts(TWO, classes=('a', 'b', 'c'))
    assert evidence.classes_missing(facts) == []
    material = dataclasses.replace(facts.material, classes=('a', 'b', 'c', 'd'))
    (sentence,) = evidence.classes_missing(dataclasses.replace(facts, material=material))
    assert 'No evaluation slide of d' in sentence


def test_colour_names_the_methods_that_it_reaches():
    facts = made_facts({'cite': 9.0, 'linear': 0.5, 'colour': 1.5}, slides=40)
    (sentence,) = results.colour_as_good(facts)
    assert 'linear' in sentence
    assert 'cite' not in sentence
