from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.data import PatchTable, cap_per_slide
from cite.errors import ConfigError


def make(counts, order=None):
    rows = [(f's{s}_{i}.jpg', s % 2, f's{s}') for s, n in enumerate(counts) for i in range(n)]
    rows = rows if order is None else [rows[i] for i in order]
    files, labels, slides = zip(*rows, strict=True)
    return PatchTable(files, labels, slides, ('a', 'b'), Path())


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.integers(1, 9),
    st.integers(0, 99),
    st.randoms(),
)
def test_at_most_so_many_of_each_slide_whatever_the_order(counts, most, seed, shuffler):
    order = list(range(sum(counts)))
    shuffler.shuffle(order)
    whole, mixed = make(counts), make(counts, order)
    capped, again = cap_per_slide(whole, most, seed), cap_per_slide(mixed, most, seed)
    assert set(capped.files) == set(again.files)
    kept = dict(zip(*np.unique(capped.slides, return_counts=True), strict=True))
    assert kept == {f's{s}': min(n, most) for s, n in enumerate(counts)}
    positions = {file: i for i, file in enumerate(mixed.files.tolist())}
    places = [positions[file] for file in again.files.tolist()]
    assert places == sorted(places)
    assert set(capped.files) <= set(cap_per_slide(whole, most + 1, seed).files)


def test_the_seed_chooses_and_slides_do_not_choose_for_each_other():
    table = make([9, 9])
    chosen = {tuple(cap_per_slide(table, 2, seed).files.tolist()) for seed in range(10)}
    assert len(chosen) > 5
    alone = cap_per_slide(make([9]), 2, 3)
    assert set(alone.files) < set(cap_per_slide(table, 2, 3).files)
    with pytest.raises(ConfigError, match='1 or more'):
        cap_per_slide(table, 0)
