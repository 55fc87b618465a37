"""Holm's method, by hand and by its definition."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cite.errors import DataError
from cite.statistics.holm import holm


def test_by_hand():
    # sorted: 0.005 × 4, 0.01 × 3, 0.03 × 2, 0.04 × 1 (not below 0.06)
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.001, 0.999))
def test_rejects_what_stepping_down_rejects(p_values, level):
    rejected = set()
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    for step, index in enumerate(order):
        if (len(p_values) - step) * p_values[index] > level:
            break
        rejected.add(index)
    assert {i for i, p in enumerate(holm(p_values)) if p <= level} == rejected


def test_what_was_not_compared_is_not_counted():
    found = holm([None, 0.02, math.nan, 0.5])
    assert found[0] is None
    assert math.isnan(found[2])
    assert [found[1], found[3]] == [0.04, 0.5]
    assert holm([]) == []


def test_no_probability():
    with pytest.raises(DataError, match=r'1\.5'):
        holm([0.1, 1.5])
