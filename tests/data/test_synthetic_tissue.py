from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from cite.data.randomness import generator
from cite.data.synthetic import tissue
from cite.data.synthetic.attributes import Attributes, Grade, draw_patch
from cite.data.synthetic.noise import smooth_noise
from cite.data.synthetic.stain import develop, draw_stain
from cite.data.synthetic.stamps import Texture, blank, ellipses, inner, stamp
from cite.data.synthetic.tissue import open_slide
from cite.data.synthetic.tumour import Tumour, grow

SIZE = 128


def grown(grade: Grade, slides: int = 12) -> list[tuple[Attributes, Tumour]]:
    made = []
    for number in range(slides):
        rng = generator('test', grade, number)
        patch = draw_patch(rng, open_slide(0, grade, number).attributes)
        made.append((patch, grow(rng, patch, SIZE)))
    return made


def test_lumina_vanish_with_the_grade() -> None:
    shares = [np.mean([(t.lumen > 0).mean() for _, t in grown(grade)]) for grade in Grade]
    assert shares[0] > shares[1] > 2 * shares[2]


def test_nuclear_size_scatters_more_with_the_grade() -> None:
    spread = []
    for grade in Grade:
        areas = [t.nuclei.long * t.nuclei.short for _, t in grown(grade) if len(t.nuclei) > 10]
        spread.append(np.mean([a.std() / a.mean() for a in areas]))
    assert spread[0] < spread[1] < spread[2]


def test_solid_and_non_solid_tumours_differ_in_cohesion() -> None:
    tumours = grown(Grade.POORLY)
    assert [patch.solid for patch, _ in tumours[:4]] == [True, False, True, False]
    solid = np.mean([(t.depth > 0).mean() for p, t in tumours if p.solid])
    scattered = np.mean([(t.depth > 0).mean() for p, t in tumours if not p.solid])
    assert solid > 2 * scattered
    assert sum(len(t.bodies) for p, t in tumours if p.solid) == 0
    assert sum(len(t.bodies) for p, t in tumours if not p.solid) > 50


def test_grades_overlap() -> None:
    values = [
        sorted(open_slide(0, grade, i).attributes.differentiation for i in range(60))
        for grade in Grade
    ]
    for better, worse in pairwise(values):
        assert np.median(better) > np.median(worse) + 0.15
        assert better[0] < worse[-1]


def test_stain_says_nothing_about_the_grade() -> None:
    eosin = np.array([[open_slide(0, g, i).stain.eosin.sum() for i in range(40)] for g in Grade])
    between = np.ptp(eosin.mean(1))
    assert between < eosin.std(1).mean()
    # and is one for all patches of a slide, another for each slide
    assert len(np.unique(eosin)) == eosin.size


def test_slide_number_and_patch_number_fix_every_pixel() -> None:
    slide = open_slide(4, Grade.MODERATELY, 1)
    third = slide.patch(2, 64)
    slide.patch(0, 64)
    np.testing.assert_array_equal(slide.patch(2, 64), third)
    np.testing.assert_array_equal(open_slide(4, Grade.MODERATELY, 1).patch(2, 64), third)
    # numbers that a padded seed would confuse
    assert (open_slide(4, Grade.MODERATELY, 0).patch(0, 64) != third).any()
    assert (slide.patch(0, 64) != open_slide(4, Grade.MODERATELY, 0).patch(1, 64)).any()


@pytest.mark.parametrize('size', [64, 97, 224])
@pytest.mark.parametrize('grade', Grade)
def test_any_size(grade: Grade, size: int) -> None:
    patch = open_slide(1, grade, 1).patch(0, size)
    assert patch.shape == (size, size, 3)
    assert patch.dtype == np.uint8


def test_a_patch_is_drawn_from_its_attributes(monkeypatch: pytest.MonkeyPatch) -> None:
    slide = open_slide(4, Grade.POORLY, 1)
    wanted = slide.patch_attributes(3)
    drawn: list[Attributes] = []

    def watched(rng: object, shown: Attributes, *rest: object) -> None:
        drawn.append(shown)

    monkeypatch.setattr(tissue, 'draw_section', watched)
    slide.patch(3, 64)
    slide.patch(3, 300)
    assert drawn == [wanted, wanted]
    assert slide.patch_attributes(2) != wanted


def test_glass_is_bare_where_the_attributes_say() -> None:
    for number in range(40):
        slide = open_slide(0, Grade.MODERATELY, number)
        shown = slide.patch_attributes(0)
        if shown.bare:
            glass = slide.patch(0, 96).min(-1) > slide.stain.light.min() - 15
            assert glass.mean() > 0.9 * shown.bare
            return
    raise AssertionError('no patch at the edge among 40')


@pytest.mark.parametrize('grade', Grade)
def test_a_region_is_tissue_with_glass_all_round(grade: Grade) -> None:
    slide = open_slide(0, grade, 0)
    region = slide.region(512)
    assert region.shape == (512, 512, 3)
    np.testing.assert_array_equal(region, open_slide(0, grade, 0).region(512))
    border = np.concatenate([region[:3], region[-3:], *np.split(region, [3, 509], 1)[::2]], None)
    assert border.min() > slide.stain.light.min() - 30
    stained = (region.min(-1) < slide.stain.light.min() - 30).mean()
    assert 0.15 < stained < 0.75


def test_beer_lambert_without_dye_is_the_light() -> None:
    rng = np.random.default_rng(0)
    stain = draw_stain(rng)
    empty = np.zeros((64, 64), np.float32)
    glass = develop(empty, empty, stain, rng).mean((0, 1))
    np.testing.assert_allclose(glass, stain.light, atol=1.5)
    one = np.full((64, 64), 0.7, np.float32)
    stained = develop(one, empty, stain, rng).mean((0, 1))
    np.testing.assert_allclose(stained, stain.light * np.exp(-0.7 * stain.haematoxylin), atol=1.5)


def test_stamps_at_and_beyond_the_border() -> None:
    rng = np.random.default_rng(0)
    grain = smooth_noise(rng, 64, 3)
    places = [-200.0, -20.0, -5.0, 0.0, 32.0, 63.9, 68.0, 90.0, 300.0]
    for x in places:
        for y in places:
            canvas = blank(64)
            stamp(canvas, ellipses(x, y, 9.0, 9.0, 0.3, 1.0), Texture(), grain, rng)
            seen = inner(canvas)
            assert seen.max() <= 1.0
            expected = abs(x - 32) < 39 and abs(y - 32) < 39
            assert (seen.sum() > 0) == expected


def test_stamp_has_the_area_and_tilt_of_its_ellipse() -> None:
    rng = np.random.default_rng(0)
    canvas = blank(64)
    shape = ellipses(31.4, 20.6, 9.0, 4.0, np.pi / 2, 1.0)
    stamp(canvas, shape, Texture(), smooth_noise(rng, 64, 3), rng)
    seen = inner(canvas)
    assert seen.sum() == pytest.approx(np.pi * 36, rel=0.05)
    row, column = np.nonzero(seen > 0.5)
    assert (row.mean(), column.mean()) == pytest.approx((20.6, 31.4), abs=0.3)
    assert np.ptp(row) > 1.8 * np.ptp(column)


def test_smooth_noise_has_unit_scale() -> None:
    noise = np.stack([smooth_noise(np.random.default_rng(i), 128, 8) for i in range(8)])
    assert abs(noise.mean()) < 0.15
    assert 0.8 < noise.std() < 1.25
