from __future__ import annotations

import dataclasses
from itertools import product
from typing import Any

import numpy as np
import pytest

from cite.data.synthetic.attributes import Grade
from cite.data.synthetic.populations import (
    POPULATIONS,
    Population,
    held_out_mix,
    held_out_stain,
    mix,
)
from cite.data.synthetic.stain import draw_stain
from cite.data.synthetic.terms import GROWTHS, STROMAS
from cite.data.synthetic.tissue import Slide, open_slide
from cite.errors import ConfigError

SLIDES = 30


@pytest.fixture(scope='module')
def slides() -> dict[Population, list[Slide]]:
    return {
        population: [open_slide(0, g, i, population) for g in Grade for i in range(SLIDES)]
        for population in POPULATIONS
    }


def test_nothing_of_unseen_slides_is_in_seen_ones(slides: dict[Population, list[Slide]]) -> None:
    seen, unseen = slides['seen'], slides['unseen']
    assert not {mix(s.attributes) for s in seen} & {mix(s.attributes) for s in unseen}
    assert all(held_out_mix(s.attributes) and held_out_stain(s.stain) for s in unseen)
    assert not any(held_out_mix(s.attributes) or held_out_stain(s.stain) for s in seen)


def test_every_value_occurs_on_both_sides(slides: dict[Population, list[Slide]]) -> None:
    for population in POPULATIONS:
        columns = zip(*(mix(s.attributes) for s in slides[population]), strict=True)
        found = [set(column) for column in columns]
        assert found == [set(GROWTHS), {True, False}, {True, False}, set(STROMAS)]


def test_any_is_both(slides: dict[Population, list[Slide]]) -> None:
    held_out = [held_out_mix(s.attributes) for s in slides['any']]
    assert 0.1 < np.mean(held_out) < 0.4
    stains = [held_out_stain(s.stain) for s in slides['any']]
    assert 0.1 < np.mean(stains) < 0.4


def test_a_quarter_of_the_mixes_is_held_out_in_each_row_and_column() -> None:
    slide = open_slide(0, Grade.WELL, 0).attributes
    growths: dict[str, dict[str, Any]] = {
        'well': {'grade': Grade.WELL},
        'moderate': {'grade': Grade.MODERATELY},
        'solid': {'grade': Grade.POORLY, 'solid': True},
        'non-solid': {'grade': Grade.POORLY, 'solid': False},
    }
    inflamed, necrotic = (
        ({'inflammation': v} for v in (1.0, 15.0)),
        ({'necrosis': v} for v in (0, 0.3)),
    )
    grounds = [
        {'oedema': 0.2, 'fibrosis': 0.7}, {'oedema': 0.2, 'fibrosis': 0.3}, {'oedema': 0.9},
    ]  # fmt: skip
    held_out = {}
    for growth, a, b, c in product(growths.values(), inflamed, necrotic, grounds):
        changed = dataclasses.replace(slide, **{**growth, **a, **b, **c})
        held_out[mix(changed)] = held_out_mix(changed)
    assert len(held_out) == 48
    for name, side in product(growths, (True, False)):
        own = [key for key, out in held_out.items() if key[0] == name and out == side]
        assert [len(set(column)) for column in zip(*own, strict=True)] == [1, 2, 2, 3]
    for place in range(4):
        for value in {key[place] for key in held_out}:
            outs = [out for key, out in held_out.items() if key[place] == value]
            assert sum(outs) * 4 == len(outs)


def test_held_out_stains_are_other_colours() -> None:
    rng = np.random.default_rng(0)
    stains = [draw_stain(rng) for _ in range(300)]
    sides = [[s for s in stains if held_out_stain(s) == side] for side in (False, True)]
    # absorbed red by haematoxylin, blue by eosin, of a unit of dye
    red, blue = (
        [
            np.mean([dye[i] / np.linalg.norm(dye) for dye in (getattr(s, name) for s in part)])
            for part in sides
        ]
        for name, i in (('haematoxylin', 0), ('eosin', 2))
    )
    assert red[1] > red[0] + 0.03
    assert blue[1] > blue[0] + 0.05


def test_grades_are_balanced_and_solid_takes_turns(slides: dict[Population, list[Slide]]) -> None:
    for population in POPULATIONS:
        poorly = [s for s in slides[population] if s.grade is Grade.POORLY]
        assert [s.attributes.solid for s in poorly] == [True, False] * (SLIDES // 2)
        assert {s.attributes.grade for s in slides[population]} == set(Grade)


def test_populations_share_no_slide(slides: dict[Population, list[Slide]]) -> None:
    everything = [s.attributes for part in slides.values() for s in part]
    assert len(set(everything)) == len(everything)
    first = slides['unseen'][0]
    again = open_slide(0, Grade.WELL, 0, 'unseen')
    np.testing.assert_array_equal(first.patch(0, 64), again.patch(0, 64))


def test_another_name_is_refused() -> None:
    with pytest.raises(ConfigError, match='any, seen, unseen'):
        open_slide(0, Grade.WELL, 0, 'new')  # type: ignore[arg-type]
