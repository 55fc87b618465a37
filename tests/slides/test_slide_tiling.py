"""The grid: where tiles lie and how much of each is tissue."""

from __future__ import annotations

import time

import numpy as np
import pytest
from drawn_pyramids import ArraySlide
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.errors import ConfigError, DataError
from cite.slides.readers.base import Level
from cite.slides.tiling import TileSpec, enlarged, make_grid, settle_mpp, starts
from cite.slides.tissue import Tissue


class Sized(ArraySlide):
    """A slide of which only the sizes are there."""

    def __init__(self, width, height, downsamples=(1,), mpp=(0.5, 0.5)):
        super().__init__([], [], mpp)
        self.levels = tuple(
            Level(int(width / by), int(height / by), float(by)) for by in downsamples
        )


def tissue_of(slide, mask) -> Tissue:
    width, height = slide.size
    return Tissue(mask, (width / mask.shape[1], height / mask.shape[0]), 20.0, ~mask)


def full(slide) -> Tissue:
    return tissue_of(slide, np.ones((40, 40), bool))


@settings(max_examples=100, deadline=None)
@given(
    st.integers(300, 3000),
    st.integers(300, 3000),
    st.integers(16, 250),
    st.floats(0, 0.9),
    st.floats(0.2, 3),
    st.floats(0.9, 1.1),
)
def test_tiles_fill_the_slide_and_stay_inside(width, height, size, share, mpp, squeeze):
    slide = Sized(width, height)
    spec = TileSpec(size, mpp, int(size * share))
    own = (0.5, 0.5 * squeeze)
    if min((spec.size - spec.overlap) * mpp / unit for unit in own) < 1:
        return
    grid = make_grid(slide, spec, full(slide), own)
    for places, side, length in zip((grid.x, grid.y), grid.side, slide.size, strict=True):
        if not len(grid):
            continue
        step = side * (spec.size - spec.overlap) / spec.size
        unique = np.unique(places)
        assert places.min() == 0
        assert unique[-1] + side <= length + 1.001  # half a pixel, and half by rounding
        assert unique[-1] + side + step > length - 1  # no room for one more
        assert np.abs(np.diff(unique) - step).max(initial=0) <= 1
    if len(grid) == 0:
        assert any(side > length - 1 for side, length in zip(grid.side, slide.size, strict=True))
    over = 1 / grid.side[0] + 1 / grid.side[1]  # what may reach over the edge
    assert (grid.tissue > 1 - over - 1e-5).all()


@pytest.mark.parametrize('tissue', [0.0, 0.3, 0.5, 1.0])
def test_the_part_of_tissue_is_counted_exactly(tissue):
    mask = np.random.default_rng(0).random((96, 120)) > 0.4
    mask[:32, :40] = True
    mask[32:64, :40] = False
    slide = Sized(1200, 960)  # ten pixels per pixel of the mask
    spec = TileSpec(73, 0.5, 12, tissue)
    grid = make_grid(slide, spec, tissue_of(slide, mask), (0.5, 0.5))
    fine = np.kron(mask, np.ones((10, 10)))
    wanted = {
        (x, y): share
        for y in range(0, 960 - 73 + 1, 61)
        for x in range(0, 1200 - 73 + 1, 61)
        if (share := fine[y : y + 73, x : x + 73].mean()) >= tissue and share > 0
    }
    found = dict(zip(zip(grid.x.tolist(), grid.y.tolist(), strict=True), grid.tissue, strict=True))
    assert found.keys() == wanted.keys()
    assert [found[place] for place in wanted] == pytest.approx(list(wanted.values()), abs=1e-6)
    if tissue == 1:
        assert 0 < len(grid) < 60


def test_the_level_is_the_coarsest_that_is_fine_enough():
    slide = Sized(40000, 30000, (1, 2, 4.003, 16), (0.25, 0.25))
    wanted = {0.2: 0, 0.25: 0, 0.4: 0, 0.499: 1, 0.5: 1, 0.9: 1, 1.0: 2, 3.9: 2, 4.0: 3, 30: 3}
    for mpp, level in wanted.items():
        assert make_grid(slide, TileSpec(64, mpp), full(slide), (0.25, 0.25)).level == level, mpp
    # the coarser axis decides: it must not be enlarged
    assert make_grid(slide, TileSpec(64, 0.5), full(slide), (0.25, 0.5)).level == 0


def test_a_slide_as_large_as_a_tile_has_one_and_a_smaller_one_none():
    for size, count in [(224, 1), (223, 0), (225, 1), (447, 1), (448, 4)]:
        slide = Sized(size, size)
        assert len(make_grid(slide, TileSpec(224, 0.5), full(slide), (0.5, 0.5))) == count
    slide = Sized(224, 224)  # 224.4 pixels at 0.499: half a pixel is forgiven
    assert len(make_grid(slide, TileSpec(224, 0.5), full(slide), (0.499, 0.499))) == 1


def test_starts_name_every_column_and_row():
    slide = Sized(1000, 777)
    spec = TileSpec(64, 0.8, 10)
    grid = make_grid(slide, spec, full(slide), (0.5, 0.5))
    columns, rows = starts(slide.size, grid.side, spec)
    assert len(grid) == len(columns) * len(rows)
    np.testing.assert_array_equal(np.unique(grid.x), columns)
    np.testing.assert_array_equal(np.unique(grid.y), rows)


def test_resolutions_are_given_or_said_never_guessed():
    silent = Sized(100, 100, mpp=None)
    with pytest.raises(DataError, match=r'array.svs does not say its resolution.*--slide-mpp'):
        settle_mpp(silent, None)
    assert settle_mpp(silent, 0.25) == (0.25, 0.25)
    assert settle_mpp(Sized(100, 100, mpp=(0.3, 0.4)), None) == (0.3, 0.4)
    said = Sized(100, 100, mpp=(0.3, 0.4))
    assert settle_mpp(said, 0.25) == (0.3, 0.4)  # an option for all slides fills gaps only
    assert settle_mpp(said, 0.25, override=True) == (0.25, 0.25)
    for bad in (0, -1, 353, float('nan'), float('inf')):
        with pytest.raises(ConfigError, match=r'must be 0\.05 to 20'):
            settle_mpp(silent, bad)


@pytest.mark.parametrize(
    'options',
    [
        {'size': 0},
        {'overlap': 64},
        {'overlap': -1},
        {'mpp': 0},
        {'mpp': float('nan')},
        {'tissue': 1.1},
        {'tissue': float('nan')},
    ],
)
def test_tiles_that_cannot_be_are_refused(options):
    with pytest.raises(ConfigError, match='tiles need'):
        TileSpec(**{'size': 64, 'mpp': 0.5, **options})


def test_steps_below_a_pixel_are_refused():
    slide = Sized(300, 300)
    with pytest.raises(DataError, match='take less overlap'):
        make_grid(slide, TileSpec(64, 0.2, 62), full(slide), (0.5, 0.5))


def test_enlarging_is_said():
    assert enlarged(TileSpec(64, 0.5), (0.51, 0.5)) == 1
    assert enlarged(TileSpec(64, 0.25), (0.5, 0.5)) == 2


def test_the_grid_of_a_large_slide_is_quick():
    slide = Sized(100_000, 100_000, (1, 4, 16, 64), (0.25, 0.25))
    mask = np.zeros((3125, 3125), bool)
    mask[1000:1500, 500:2500] = True
    begin = time.process_time()
    grid = make_grid(slide, TileSpec(224, 0.5), tissue_of(slide, mask), (0.25, 0.25))
    assert time.process_time() - begin < 2
    assert len(grid) == pytest.approx(0.1024 * 1e10 / 448**2, rel=0.1)
