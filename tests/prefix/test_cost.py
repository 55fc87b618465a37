"""Reading against computing."""

from __future__ import annotations

from cite.prefix.cost import Cost


def cost(**changed):
    fields = {'draws': 1000, 'missing': 100, 'seconds': 0.1, 'size': 3072, 'in_memory': True}
    return Cost(**{**fields, **changed})


def test_few_draws_do_not_pay():
    assert cost().pays
    assert not cost(draws=100).pays
    assert not cost(draws=50).pays


def test_what_is_kept_already_pays_at_once():
    assert cost(draws=1, missing=0).pays


def test_large_rows_of_a_fast_tower_are_not_worth_reading():
    large = {'size': 400_000, 'seconds': 5e-4, 'missing': 0}
    assert cost(**large, in_memory=True).pays
    assert not cost(**large, in_memory=False).pays
