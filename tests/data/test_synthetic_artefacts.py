from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cite.data.randomness import generator
from cite.data.synthetic.artefacts import spoil
from cite.data.synthetic.attributes import ARTEFACT_RATE, Artefact, Grade
from cite.data.synthetic.noise import Field
from cite.data.synthetic.section import draw_section
from cite.data.synthetic.tissue import open_slide

REAL = [kind for kind in Artefact if kind is not Artefact.NONE]


def photograph(kind: Artefact, number: int = 0, size: int = 160) -> Field:
    slide = open_slide(0, Grade.MODERATELY, number)
    shown = dataclasses.replace(slide.patch_attributes(0), artefact=kind, bare=0.0)
    rng = generator('test', number)
    return draw_section(rng, shown, slide.stain, slide.fibres, size).astype(np.float32)


def sharpness(pixels: Field) -> float:
    return float(np.abs(np.diff(pixels.mean(-1), axis=0)).mean())


def test_no_artefact_leaves_the_dyes_alone() -> None:
    dye = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    spoilt = spoil(np.random.default_rng(0), Artefact.NONE, dye, dye)
    assert spoilt.haematoxylin is dye
    assert spoilt.eosin is dye
    assert (spoilt.defocus, spoilt.over) == (0, None)


@pytest.mark.parametrize('kind', REAL)
@pytest.mark.parametrize('size', [64, 100, 300])
def test_each_artefact_shows_at_each_size(kind: Artefact, size: int) -> None:
    changed = np.abs(photograph(kind, size=size) - photograph(Artefact.NONE, size=size)).max(-1)
    # beyond the noise of the sensor, in part of the picture
    assert 0.02 < (changed > 25).mean() < 0.9


@pytest.mark.parametrize('number', range(4))
def test_what_artefacts_do(number: int) -> None:
    plain = photograph(Artefact.NONE, number)
    assert sharpness(photograph(Artefact.BLUR, number)) < 0.75 * sharpness(plain)
    assert photograph(Artefact.FOLD, number).mean() < plain.mean() - 3
    assert photograph(Artefact.PEN, number).mean() < plain.mean() - 5
    glass = (photograph(Artefact.TEAR, number).min(-1) > 215).mean()
    assert glass > (plain.min(-1) > 215).mean() + 0.02
    assert photograph(Artefact.KNIFE, number).mean() > plain.mean()


def test_artefacts_are_rare_and_of_every_kind_and_grade() -> None:
    for grade in Grade:
        slides = [open_slide(0, grade, number) for number in range(10)]
        found = [s.patch_attributes(i).artefact for s in slides for i in range(60)]
        rate = np.mean([kind is not Artefact.NONE for kind in found])
        assert abs(rate - ARTEFACT_RATE) < 0.05
        assert set(found) == set(Artefact)
