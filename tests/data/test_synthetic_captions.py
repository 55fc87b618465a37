from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest

from cite.data.synthetic.attributes import Grade
from cite.data.synthetic.captions import caption, subtype
from cite.data.synthetic.tissue import open_slide


@pytest.mark.parametrize('grade', Grade)
def test_last_sentence_names_the_grade(grade: Grade) -> None:
    rng = np.random.default_rng(0)
    for number in range(20):
        slide = open_slide(0, grade, number).attributes
        last = caption(rng, slide).rstrip('.').split('. ')[-1]
        assert last.startswith(f'{grade.name.capitalize()} differentiated')
        assert subtype(slide).startswith(f'{grade.name.capitalize()} differentiated')


def test_text_follows_the_attributes() -> None:
    rng = np.random.default_rng(0)
    slide = open_slide(0, Grade.WELL, 0).attributes

    def texts(**changes: Any) -> list[str]:
        changed = dataclasses.replace(slide, **changes)
        return [caption(rng, changed) for _ in range(30)]

    assert all('medium to large' in t for t in texts(gland_share=1.0, gland_radius=60))
    assert all('small to medium' in t for t in texts(gland_share=1.0, gland_radius=30))
    assert all('cribriform' in t for t in texts(gland_share=1.0, cribriform=0.5))
    assert all('without glandular ducts' in t for t in texts(gland_share=0.0, solid=True))
    assert all('single cells' in t for t in texts(gland_share=0.0, solid=False))
    assert any('Inflammatory' in t for t in texts(inflammation=9.0))
    assert not any('Inflammatory' in t for t in texts(inflammation=1.0))
    assert any('Necrosis' in t for t in texts(necrosis=0.3))
    assert not any('Necrosis' in t for t in texts(necrosis=0.0))
    assert any('Mitotic figures' in t for t in texts(mitoses=4.0))
    assert not any('itotic' in t for t in texts(mitoses=1.0))


def test_phrasings_vary() -> None:
    slide = open_slide(0, Grade.MODERATELY, 0).attributes
    assert len({caption(np.random.default_rng(i), slide) for i in range(40)}) > 15
