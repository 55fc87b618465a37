"""Tiles show the part of the slide that they claim to show."""

from __future__ import annotations

import numpy as np
import pytest
from drawn_pyramids import ArraySlide, average, shrunk, texture, write_levels
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFilter

from cite.slides.area import area_average
from cite.slides.readers import open_slide
from cite.slides.readers.openslide import OpenSlideReader
from cite.slides.readers.tiff import TiffReader
from cite.slides.tiles import read_tile, sharpness
from cite.slides.tiling import TileSpec, make_grid
from cite.slides.tissue import Tissue

PICTURE = texture(1301, 1097)


def everywhere(slide) -> Tissue:
    width, height = slide.size
    mask = np.ones((height // 8, width // 8), bool)
    return Tissue(mask, (width / mask.shape[1], height / mask.shape[0]), 20.0, ~mask)


def all_tiles(slide, spec, mpp=None):
    mpp = mpp or slide.mpp
    grid = make_grid(slide, spec, everywhere(slide), mpp)
    return grid, [np.asarray(read_tile(slide, grid, number)) for number in range(len(grid))]


def boxes(grid):
    side = grid.side
    return [
        (x, y, x + side[0], y + side[1])
        for x, y in zip(grid.x.tolist(), grid.y.tolist(), strict=True)
    ]


@pytest.mark.parametrize('reader', [OpenSlideReader, TiffReader])
@pytest.mark.parametrize('overlap', [0, 17])
def test_tiles_at_the_slides_own_resolution_are_its_pixels(tmp_path, reader, overlap):
    write_levels(tmp_path / 'a.tif', PICTURE, (1, 4))
    with reader(tmp_path / 'a.tif') as slide:
        grid, tiles = all_tiles(slide, TileSpec(100, 0.5, overlap))
    step = 100 - overlap
    assert len(grid) == ((1301 - 100) // step + 1) * ((1097 - 100) // step + 1)  # the last ones too
    assert set(np.diff(np.unique(grid.x))) == {step}
    for tile, (left, top, *_) in zip(tiles, boxes(grid), strict=True):
        np.testing.assert_array_equal(tile, PICTURE[top : top + 100, left : left + 100])


LEVELS = [
    ((1,), 1.0, 0),
    ((1,), 1.35, 0),
    ((1, 4), 1.35, 0),
    ((1, 2, 4, 8), 1.0, 1),
    ((1, 2, 4, 8), 1.35, 1),
    ((1, 2, 4, 8), 2.5, 2),
    ((1, 2, 4, 8), 5.4, 3),
]


@pytest.mark.parametrize('reader', [OpenSlideReader, TiffReader])
@pytest.mark.parametrize(('downsamples', 'mpp', 'level'), LEVELS)
def test_reduced_tiles_are_area_averages_of_the_region_they_claim(
    tmp_path, reader, downsamples, mpp, level
):
    levels = write_levels(tmp_path / 'a.tif', texture(1296, 1088, smooth=3), downsamples)
    with reader(tmp_path / 'a.tif') as slide:
        grid, tiles = all_tiles(slide, TileSpec(48, mpp, 5))
    assert grid.level == level
    for number in (0, 1, len(tiles) // 2, len(tiles) - 2, len(tiles) - 1):
        box = [edge / downsamples[level] for edge in boxes(grid)[number]]
        wanted = average(levels[level], box, (48, 48))
        assert np.abs(tiles[number] - wanted).max() < 0.51


@pytest.mark.parametrize('reader', [OpenSlideReader, TiffReader])
@pytest.mark.parametrize(
    ('downsamples', 'mpp', 'level'), [*LEVELS, ((1, 2.7), 1.35, 1), ((1, 3.3), 1.9, 1)]
)
def test_odd_sizes_and_ratios_move_tiles_by_less_than_half_a_pixel(
    tmp_path, reader, downsamples, mpp, level
):
    """Against level 0. OpenSlide interpolates between pixels of a level where sizes are odd, whose ratio it
    takes for no whole number, by up to a quarter of a pixel."""
    picture = texture(1301, 1097, smooth=12)
    write_levels(tmp_path / 'a.tif', picture, downsamples)
    with reader(tmp_path / 'a.tif') as slide:
        grid, tiles = all_tiles(slide, TileSpec(48, mpp))
    if reader is OpenSlideReader or downsamples[-1] % 1 == 0:  # tifffile sees whole ratios only
        assert grid.level == level
    for number in (0, len(tiles) // 2, len(tiles) - 1):
        left, top, right, bottom = boxes(grid)[number]
        errors = {}
        one = (right - left) / 48
        for dx, dy in [(0, 0), (one, 0), (-one, 0), (0, one), (0, -one)]:
            box = (left + dx, top + dy, right + dx, bottom + dy)
            errors[dx, dy] = np.abs(tiles[number] - average(picture, box, (48, 48))).mean()
        assert min(errors, key=errors.get) == (0, 0), errors


def test_levels_are_not_shifted_against_each_other():
    """Over all tiles of a coarse level, the place of a bright spot is that of the finest level."""
    spots = np.full((1024, 1024, 3), 30, np.uint8)
    for y, x in [(100, 900), (515, 515), (901, 130)]:
        spots[y - 20 : y + 20, x - 20 : x + 20] = 250
    found = []
    for downsamples in [(1,), (1, 2), (1, 2, 4), (1, 3.3)]:
        levels = [shrunk(spots, by) if by != 1 else spots for by in downsamples]
        slide = ArraySlide(levels, [1024 / level.shape[1] for level in levels])
        grid, tiles = all_tiles(slide, TileSpec(51, 2.0))
        page = np.zeros((5 * 51, 5 * 51))
        for tile, x, y in zip(tiles, grid.x // 204 * 51, grid.y // 204 * 51, strict=True):
            page[y : y + 51, x : x + 51] = tile[..., 0] - 30.0
        ys, xs = np.mgrid[: 5 * 51, : 5 * 51] + 0.5
        found.append([(page * axis).sum() / page.sum() * 4 for axis in (xs, ys)])
    centre = np.array([(900 + 515 + 130) / 3, (100 + 515 + 901) / 3])
    assert np.abs(np.array(found) - centre).max() < 0.2  # pixels of level 0


def test_a_scan_that_is_coarser_is_enlarged_in_place():
    picture = texture(800, 700, smooth=8)
    slide = ArraySlide([picture], (1,), (0.5, 0.5))
    grid, tiles = all_tiles(slide, TileSpec(100, 0.45))
    assert grid.side == pytest.approx((90, 90))
    for number in (0, len(tiles) // 2, len(tiles) - 1):
        wanted = np.asarray(
            Image.fromarray(picture).resize(
                (100, 100), Image.Resampling.BICUBIC, boxes(grid)[number]
            )
        )
        assert np.abs(tiles[number].astype(int) - wanted).max() <= 12  # edges see no neighbours
        assert np.abs(tiles[number].astype(int) - wanted)[3:-3, 3:-3].max() <= 1


def test_pixels_that_are_not_square_become_square():
    picture = texture(1200, 600, smooth=6)  # twice as fine along x
    slide = ArraySlide([picture], (1,), (0.25, 0.5))
    grid, tiles = all_tiles(slide, TileSpec(64, 0.5))
    assert grid.side == (128, 64)
    assert np.unique(grid.x).size == 9 and np.unique(grid.y).size == 9
    for tile, box in zip(tiles, boxes(grid), strict=True):
        assert np.abs(tile - average(picture, box, (64, 64))).max() <= 1


def test_a_level_within_a_hundredth_is_not_resampled():
    slide = ArraySlide([PICTURE], (1,), (0.4975, 0.4975))
    grid, tiles = all_tiles(slide, TileSpec(224, 0.5))
    for tile, box in zip(tiles, boxes(grid), strict=True):
        left, top = round((box[0] + box[2]) / 2 - 112), round((box[1] + box[3]) / 2 - 112)
        np.testing.assert_array_equal(tile, PICTURE[top : top + 224, left : left + 224])


def test_the_last_tiles_hold_no_pixels_from_beyond_the_slide():
    picture = np.full((448, 448, 3), 100, np.uint8)
    for mpp in (0.502, 0.4999, 0.5, 0.25):  # at 0.502 two tiles span 446.2 pixels of the slide
        slide = ArraySlide([picture], (1,), (mpp, mpp))
        _, tiles = all_tiles(slide, TileSpec(224, 0.5))
        assert tiles
        assert all((tile == 100).all() for tile in tiles)


def test_sizes_that_were_rounded_move_nothing(tmp_path):
    """1300 / 16 is 81.25, so a level of 82 columns; taken for 15.85 it would be off at the far end."""
    picture = texture(1300, 1100, smooth=10)
    levels = write_levels(tmp_path / 'a.tif', picture, (1, 4, 16), tile=64)
    for reader in (OpenSlideReader, TiffReader):
        with reader(tmp_path / 'a.tif') as slide:
            assert [level.downsample for level in slide.levels] == [1, 4, 16]
            assert slide.levels[2].width == 82
            found = slide.read(60 * 16, 50 * 16, 2, 20, 18)
        assert np.abs(found.astype(int) - levels[2][50:68, 60:80]).max() <= 3


@settings(max_examples=60, deadline=None)
@given(
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.tuples(*[st.floats(0, 1)] * 4),
    st.tuples(st.integers(1, 50), st.integers(1, 50)),
)
def test_area_average_equals_its_definition(shape, corners, size):
    picture = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    left, right = sorted((corners[0] * shape[1], corners[1] * shape[1]))
    top, bottom = sorted((corners[2] * shape[0], corners[3] * shape[0]))
    if right - left < 0.01 or bottom - top < 0.01:
        left, top, right, bottom = 0, 0, shape[1], shape[0]
    found = area_average(picture, (left, top, right, bottom), size)
    wanted = average(picture, (left, top, right, bottom), size)
    assert found.shape == (size[1], size[0], 3)
    assert np.abs(found - wanted).max() < 0.51


def test_blur_lowers_sharpness_whatever_the_stain():
    sharp = Image.fromarray(texture(224, 224, smooth=0.7))
    pale = Image.fromarray((255 - (255 - np.asarray(sharp).astype(int)) // 3).astype(np.uint8))
    blurred = sharp.filter(ImageFilter.GaussianBlur(2))
    assert sharpness(blurred) < sharpness(sharp) / 10
    assert sharpness(pale) == pytest.approx(sharpness(sharp), rel=0.2)
    assert sharpness(Image.new('RGB', (50, 50), 'white')) == 0
    assert sharpness(Image.new('RGB', (2, 2))) == 0


def test_enlarging_is_not_taken_for_blur():
    sharp = Image.fromarray(texture(112, 112, smooth=0.7))
    large = sharp.resize((224, 224), Image.Resampling.BICUBIC)
    assert sharpness(large) < 0.3 * sharpness(sharp)
    assert sharpness(large, enlarged=2) > 0.6 * sharpness(sharp)


def test_roundings_are_not_taken_for_detail():
    """A smooth slope of few grey levels: all that its Laplacian sees are steps."""
    slope = np.linspace(100, 112, 224)[None, :, None] + np.linspace(0, 5, 224)[:, None, None]
    assert sharpness(Image.fromarray((slope * [1, 0.9, 1.1]).round().astype(np.uint8))) < 0.02


def test_the_two_readers_agree_on_drawn_slides(tmp_path):
    write_levels(tmp_path / 'a.tif', PICTURE[:1088, :1296], (1, 2, 4, 8), compression='jpeg')
    with open_slide(tmp_path / 'a.tif') as first, TiffReader(tmp_path / 'a.tif') as second:
        assert first.levels == second.levels and first.mpp == pytest.approx(second.mpp)
        for mpp in (0.5, 1.0, 1.35, 3.0):
            one, other = (all_tiles(slide, TileSpec(64, mpp)) for slide in (first, second))
            assert len(one[1]) == len(other[1]) > 0
            for a, b in zip(one[1], other[1], strict=True):
                assert np.abs(a.astype(int) - b).max() == 0
