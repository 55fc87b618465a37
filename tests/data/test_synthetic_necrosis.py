from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from cite.data.randomness import generator
from cite.data.synthetic.attributes import Artefact, Grade
from cite.data.synthetic.necrosis import necrose
from cite.data.synthetic.section import draw_section
from cite.data.synthetic.stamps import outside
from cite.data.synthetic.tissue import open_slide
from cite.data.synthetic.tumour import Tumour, grow

SIZE = 200


def grown(grade: Grade) -> Tumour:
    shown = dataclasses.replace(open_slide(0, grade, 0).attributes, tumour_share=0.7)
    return grow(generator('test', grade), shown, SIZE)


@pytest.mark.parametrize('share', [0.15, 0.5])
@pytest.mark.parametrize('grade', Grade)
def test_the_share_of_the_tumour_dies(grade: Grade, share: float) -> None:
    tumour = grown(grade)
    tissue = np.ones((SIZE, SIZE), np.float32)
    tissue[:40] = 0
    necrosis = necrose(np.random.default_rng(0), tumour, share, tissue)
    within = (tumour.region > 0) & (tissue > 0)
    assert (necrosis.depth > 0)[within].mean() == pytest.approx(share, abs=0.02)
    assert not (necrosis.depth > 0)[tumour.region < -4].any()
    assert len(necrosis.dust) > 10
    in_lumen = ~outside(necrosis.dust, tumour.lumen, 2)
    assert (outside(necrosis.dust, necrosis.depth, 1) <= in_lumen).all()


def test_no_tumour_no_necrosis() -> None:
    tumour = grown(Grade.WELL)
    nothing = np.zeros((SIZE, SIZE), np.float32)
    necrosis = necrose(np.random.default_rng(0), tumour, 0.4, nothing)
    assert len(necrosis.dust) == 0
    assert necrosis.depth.max() < 0


def test_dead_sheets_lose_their_nuclei() -> None:
    slide = open_slide(0, Grade.POORLY, 0)
    shown = dataclasses.replace(
        slide.attributes, differentiation=0.1, gland_share=0.0, tumour_share=0.9, mitoses=0.0,
        inflammation=0.0, artefact=Artefact.NONE,
    )  # fmt: skip
    blue = []
    for share in (0.0, 0.3, 0.6):
        rng = generator('test')
        pixels = draw_section(
            rng, dataclasses.replace(shown, necrosis=share), slide.stain, slide.fibres, SIZE
        )
        blue.append(pixels[..., 0].astype(float).mean())  # haematoxylin takes the red
    assert blue[0] + 5 < blue[1] < blue[2] - 5
