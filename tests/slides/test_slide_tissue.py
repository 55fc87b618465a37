"""Tissue is found where it was drawn, and nothing else is taken for it."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from drawn_pyramids import ArraySlide, texture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from cite.data.synthetic.cases import cases
from cite.data.synthetic.tissue import section_outline
from cite.errors import ConfigError
from cite.slides.overview import look
from cite.slides.readers import open_slide
from cite.slides.readers.base import RegionError
from cite.slides.tiles import read_tile, sharpness
from cite.slides.tiling import TileSpec, make_grid
from cite.slides.tissue import Tissue, find_tissue, otsu, overview

SIDE = 768
INKS = {'blue': (30, 60, 170), 'green': (30, 140, 70), 'black': (25, 25, 30), 'red': (200, 25, 35)}


@cache
def drawn(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A drawn section, and where it lies."""
    slide = cases(0, 'any', 2)[number].open()
    outline = section_outline(slide._generator('synthetic region', 0), SIDE) > 0.5
    return slide.region(SIDE), outline


def found_in(picture, mpp: float = 4.0, **options) -> Tissue:
    height, width = picture.shape[:2]
    return find_tissue(picture, (width, height), (mpp, mpp), **options)


def iou(mask, truth) -> float:
    return (mask & truth).sum() / (mask | truth).sum()


@pytest.mark.parametrize('number', [0, 2, 5])
@pytest.mark.parametrize('stain', [1.0, 0.35])
def test_tissue_is_where_it_was_drawn(number, stain):
    picture, truth = drawn(number)
    shown = (255 - (255 - picture.astype(float)) * stain).astype(np.uint8)
    assert iou(found_in(shown).mask, truth) > 0.9


@pytest.mark.parametrize('ink', INKS)
def test_pen_is_no_tissue(ink):
    picture, truth = drawn(0)
    stroke = Image.new('L', (SIDE, SIDE))
    ImageDraw.Draw(stroke).line([(30, 700), (400, 400), (740, 60)], fill=255, width=12)
    pen = np.asarray(stroke) > 0
    marked = np.where(pen[..., None], 0.85 * np.array(INKS[ink]) + 0.15 * picture, picture)
    found = found_in(marked.astype(np.uint8))
    assert (found.mask & pen).sum() < 0.02 * pen.sum()
    assert (found.pen & pen).sum() > 0.9 * pen.sum()
    away = ~np.asarray(stroke.filter(ImageFilter.MaxFilter(9))).astype(bool)
    assert iou(found.mask & away, truth & away) > 0.9
    kept = found_in(marked.astype(np.uint8), reject_pen=False)
    assert not kept.pen.any()


def test_stain_is_not_taken_for_ink():
    for number in (0, 2, 5):
        assert found_in(drawn(number)[0]).pen.mean() < 0.01


def test_dust_and_specks_are_dropped_and_holes_filled():
    picture, truth = drawn(2)
    specks = picture.copy()
    rng = np.random.default_rng(0)
    glass = np.argwhere(~np.asarray(Image.fromarray(truth).filter(ImageFilter.MaxFilter(41))))
    for y, x in rng.permutation(glass)[:60]:
        specks[y : y + 4, x : x + 4] = (120, 60, 110)
    clean, dirty = found_in(picture).mask, found_in(specks).mask
    assert iou(clean, dirty) > 0.99
    y, x = np.argwhere(clean).mean(0).astype(int)
    specks[y - 5 : y + 5, x - 5 : x + 5] = 245
    assert found_in(specks).mask[y - 3 : y + 3, x - 3 : x + 3].all()


def test_a_black_border_is_no_tissue():
    picture, truth = drawn(0)
    framed = picture.copy()
    border = np.ones((SIDE, SIDE), bool)
    border[24:-24, 24:-24] = False
    noise = np.random.default_rng(0).integers(0, 12, (*border.shape, 3), dtype=np.uint8)
    framed[border] = noise[border]
    mask = found_in(framed).mask
    assert not mask[border].any()
    assert iou(mask, truth & ~border) > 0.9


def test_a_white_slide_has_none_and_a_full_one_is_all_tissue():
    white = np.random.default_rng(0).normal(243, 1.5, (SIDE, SIDE, 3)).clip(0, 255).astype('u1')
    assert not found_in(white).mask.any()
    picture, truth = drawn(2)
    y, x = np.argwhere(truth).mean(0).astype(int)
    inside = picture[y - 100 : y + 100, x - 100 : x + 100]
    assert found_in(np.tile(inside, (3, 3, 1))).share > 0.95


@pytest.mark.parametrize(
    ('name', 'mpp', 'low', 'high'),
    [
        ('slides/cmu-1-small-region.svs', None, 0.28, 0.45),
        ('slides/tcga-cr-7395-01a-01-ts1.svs', (0.5, 0.5), 0.5, 0.75),
    ],
)
def test_real_slides_have_about_as_much_tissue_as_one_sees(real_data, name, mpp, low, high):
    with open_slide(real_data(name)) as slide:
        found = find_tissue(overview(slide, mpp or slide.mpp), slide.size, mpp or slide.mpp)
    assert low < found.share < high
    assert found.pen.mean() < 0.01


def test_blurred_regions_are_less_sharp_than_any_other():
    from cite.slides.inference import BLUR

    picture, truth = drawn(2)
    half = np.asarray(Image.fromarray(picture).filter(ImageFilter.GaussianBlur(4))).copy()
    half[:, SIDE // 2 :] = picture[:, SIDE // 2 :]
    slide = ArraySlide([half], [1])
    tissue = Tissue(truth, (1.0, 1.0), 20.0, ~truth)
    grid = make_grid(slide, TileSpec(96, 0.5, tissue=0.9), tissue, (0.5, 0.5))
    values = np.array([sharpness(read_tile(slide, grid, number)) for number in range(len(grid))])
    blurred = grid.x + 96 <= SIDE // 2
    assert blurred.sum() >= 3 and (~blurred).sum() >= 3
    assert (values[blurred] < BLUR).all()
    assert (values[~blurred] > BLUR).all()


def test_an_overview_is_the_same_from_any_level_and_with_any_workers():
    picture = texture(2600, 1900, smooth=12)
    one = ArraySlide([picture], [1])
    reduced = np.asarray(Image.fromarray(picture).reduce(2))
    two = ArraySlide([picture, reduced], [1, 2])
    first = overview(one, (0.5, 0.5))
    assert max(first.shape) == 1024
    for slide, workers in [(one, 0), (one, 3), (two, 1)]:
        picture_, unread = look(slide, (0.5, 0.5), workers)
        assert not unread.any()
        assert np.abs(picture_.astype(int) - first).max() <= (0 if slide is one else 2)


class Damaged(ArraySlide):
    """Raises where `left`, `top`, `right`, `bottom` of level 0 is touched on a level."""

    def __init__(self, *args, box, levels):
        super().__init__(*args)
        self.box, self.bad = box, levels

    def _read(self, x, y, level, width, height):
        down = self.levels[level].downsample
        left, top, right, bottom = self.box
        touches = x < right and y < bottom and x + width * down > left and y + height * down > top
        if level in self.bad and touches:
            raise RegionError('damaged')
        return super()._read(x, y, level, width, height)


def test_an_overview_goes_round_damage_by_finer_levels():
    picture = texture(2048, 2048, smooth=8)
    small = np.asarray(Image.fromarray(picture).reduce(2))
    args = ([picture, small], [1, 2], (0.5, 0.5))
    box = (700, 1100, 900, 1200)
    whole = overview(ArraySlide(*args), (0.5, 0.5))
    found, unread = look(Damaged(*args, box=box, levels=(1,)), (0.5, 0.5))
    assert not unread.any()
    assert np.abs(found.astype(int) - whole).max() <= 2
    found, unread = look(Damaged(*args, box=box, levels=(0, 1)), (0.5, 0.5))
    down = 2048 / unread.shape[0]
    inner = [round(edge / down) for edge in box]
    assert unread[inner[1] : inner[3], inner[0] : inner[2]].all()
    assert unread.mean() < 0.15
    assert (found[unread] == 255).all()
    np.testing.assert_array_equal(found[~unread], whole[~unread])
    assert find_tissue(found, (2048, 2048), (0.5, 0.5), unread=unread).mask[unread].all()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 255), min_size=2, max_size=40))
def test_otsu_maximises_the_variance_between(values):
    array = np.array(values, np.uint8)

    def between(threshold):
        below, above = array[array <= threshold], array[array > threshold]
        if not len(below) or not len(above):
            return 0.0
        return len(below) * len(above) * (below.mean() - above.mean()) ** 2

    best = max(between(threshold) for threshold in range(256))
    assert between(otsu(array)) == pytest.approx(best)


def test_a_threshold_out_of_range_is_refused():
    with pytest.raises(ConfigError, match='0 to 255, found 300'):
        found_in(np.zeros((4, 4, 3), np.uint8), threshold=300)
