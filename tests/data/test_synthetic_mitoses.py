from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from cite.data.randomness import generator
from cite.data.synthetic import section
from cite.data.synthetic.attributes import Artefact, Attributes, Grade
from cite.data.synthetic.mitoses import divide
from cite.data.synthetic.stamps import Ellipses, ellipses
from cite.data.synthetic.tissue import open_slide

SIZE = 200


def nuclei(count: int = 300) -> Ellipses:
    rng = np.random.default_rng(1)
    x, y = rng.uniform(0, SIZE, (2, count))
    return ellipses(x, y, 6.0, 4.0, 0.0, 1.0)


def test_figures_are_in_view_and_stand_free() -> None:
    before = nuclei()
    viable = np.ones((SIZE, SIZE), np.float32)
    viable[:, : SIZE // 2] = 0
    rest, mitoses = divide(np.random.default_rng(0), before, 5, 13.0, viable)
    cells = mitoses.cells
    assert len(cells) == 5
    assert cells.x.min() >= SIZE / 2
    assert cells.x.max() < SIZE - 13
    assert cells.y.min() > 13
    assert cells.y.max() < SIZE - 13
    assert len(before) - len(rest) >= 5
    for x, y in zip(cells.x, cells.y, strict=True):
        assert np.hypot(rest.x - x, rest.y - y).min() > 13
        near = np.hypot(mitoses.chromosomes.x - x, mitoses.chromosomes.y - y) < 12
        assert near.sum() >= 10


def test_no_more_figures_than_room() -> None:
    nothing = np.zeros((SIZE, SIZE), np.float32)
    rest, mitoses = divide(np.random.default_rng(0), nuclei(), 5, 13.0, nothing)
    assert (len(rest), len(mitoses.cells), len(mitoses.chromosomes)) == (300, 0, 0)


@pytest.mark.parametrize('grade', Grade)
def test_a_patch_shows_as_many_as_its_attributes_say(
    grade: Grade, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[int] = []

    def watched(*args: object) -> object:
        found = divide(*args)  # type: ignore[arg-type]
        drawn.append(len(found[1].cells))
        return found

    monkeypatch.setattr(section, 'divide', watched)
    wanted = []
    for number in range(12):
        slide = open_slide(2, grade, number)
        shown = slide.patch_attributes(0)
        slide.patch(0, 300)
        wanted += [shown.mitoses] if shown.mitoses else []
    assert drawn == wanted
    assert wanted


def test_figures_are_the_darkest_of_the_patch() -> None:
    slide = open_slide(0, Grade.MODERATELY, 0)
    plain = dataclasses.replace(
        slide.patch_attributes(0), necrosis=0.0, artefact=Artefact.NONE, bare=0.0, mitoses=0.0
    )

    def red(shown: Attributes) -> npt.NDArray[np.uint8]:
        rng = generator('test')
        return section.draw_section(rng, shown, slide.stain, slide.fibres, 300)[..., 0]

    darkest = np.quantile(red(plain), 0.0005)
    assert (red(dataclasses.replace(plain, mitoses=6.0)) < darkest).sum() > 150
