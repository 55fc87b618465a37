"""Slides with patches of several classes: no metrics of slides, but intervals over them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cite.data.table import PatchTable
from cite.zeroshot import ClassTexts, ZeroShotScores, measure
from cite.zeroshot.intervals import intervals
from cite.zeroshot.measuring import drawn, has_slides, notes

COPIES, SLIDES = 25, 24
CLASSES = ClassTexts(('a', 'b'), (('x',), ('y',)))


@pytest.fixture
def scores():
    """Each slide has patches of both classes, which are copies of one another."""
    right = np.random.default_rng(0).random(2 * SLIDES) < 0.7
    truth = np.arange(2 * SLIDES) % 2
    said = np.where(right, truth, 1 - truth).repeat(COPIES)
    cosines = np.eye(2, dtype=np.float32)[said]
    return ZeroShotScores(
        CLASSES, cosines, 5.0, ('{}',), {}, cosines, [np.eye(2)[:1], np.eye(2)[1:]]
    )


@pytest.fixture
def table():
    count = 2 * SLIDES * COPIES
    labels = (np.arange(2 * SLIDES) % 2).repeat(COPIES)
    slides = [f's{row // (2 * COPIES)}' for row in range(count)]
    return PatchTable([f'{row}.png' for row in range(count)], labels, slides, ('a', 'b'), Path())


def width(scores, table):
    low, high = intervals(scores, table, ['patch'])['patch']['accuracy']
    return high - low


def test_slides_of_several_classes_have_no_level_but_are_drawn(scores, table):
    assert not has_slides(table) and set(measure(scores, table)) == {'patch'}
    assert drawn(table) == 'slides'
    assert any(
        f'{SLIDES} of {SLIDES} slides have patches of several' in n for n in notes(scores, table)
    )
    alone = replace(table, slides=table.files)
    assert drawn(alone).startswith('images') and notes(scores, alone) == []
    assert width(scores, table) > 2 * width(scores, alone)


def test_patients_are_drawn_whatever_the_slides_are(scores, table):
    number = [int(slide[1:]) for slide in table.slides]
    patients = np.array([f'p{n // 4}' for n in number])
    for slides in (table.slides, table.files):
        known = replace(table, slides=slides, patients=patients)
        assert drawn(known) == 'patients'
        alone = replace(known, patients=None, slides=table.files)
        assert width(scores, known) > 2 * width(scores, alone)


def test_numbers_that_were_taken_as_places_are_told(scores, table):
    told = notes(scores, replace(table, classes=('0', '1')))
    assert any('from 0: 0 → a, 1 → b' in note for note in told)
