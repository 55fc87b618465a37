"""The published sampling without its fixtures; tests/parity compares it with them."""

from __future__ import annotations

import itertools
import random

import pytest

from cite.errors import ConfigError, DataError
from cite.legacy.sampling import BalancedOrder, batches

LABELS = [0] * 4 + [1] * 6 + [2] * 5
SLIDES = ['a'] * 3 + ['b'] + ['c'] * 3 + ['d'] * 3 + ['e'] * 5


@pytest.mark.parametrize('balance', ['patch', 'slide'])
def test_classes_take_turns_and_every_patch_has_its(balance):
    order = BalancedOrder(LABELS, SLIDES, balance, random.Random(3))
    drawn = [next(order) for _ in range(90)]
    assert [LABELS[row] for row in drawn] == [0, 1, 2] * 30
    assert set(drawn) == set(range(15))


def test_by_patch_no_patch_comes_twice_before_all_have_come():
    order = BalancedOrder(LABELS, SLIDES, 'patch', random.Random(0))
    drawn = [next(order) for _ in range(72)][1::3]
    assert all(sorted(drawn[i : i + 6]) == [4, 5, 6, 7, 8, 9] for i in range(0, 24, 6))


def test_by_slide_a_small_slide_weighs_as_much_as_a_large_one():
    order = BalancedOrder(LABELS, SLIDES, 'slide', random.Random(0))
    drawn = [SLIDES[next(order)] for _ in range(60)][0::3]
    assert drawn.count('a') == drawn.count('b') == 10


def test_workers_repeat_each_other_and_an_epoch_ends_with_a_short_batch():
    four = list(itertools.islice(batches(LABELS, SLIDES, 4, 'patch', 0, workers=2), 8))
    assert [len(batch) for batch in four] == [4, 4, 4, 3] * 2
    assert four[0] == four[1]
    alone = list(itertools.islice(batches(LABELS, SLIDES, 4, 'patch', 0), 8))
    assert alone[0] == four[0] and alone[1] != alone[0]


def test_bad_input():
    with pytest.raises(ConfigError, match="'class'"):
        batches(LABELS, SLIDES, 4, 'class')
    with pytest.raises(DataError, match=r'none of \[1\]'):
        next(batches([0, 2], ['a', 'b'], 4, 'patch'))
