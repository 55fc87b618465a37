"""What a result says: names, probabilities, the table, and maps whose cells lie where the tiles lie."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cite.errors import ConfigError
from cite.slides.result import SlideResult
from cite.slides.tiling import Grid, TileSpec, starts
from cite.slides.tissue import Tissue

CLASSES = ('a', 'b', 'c')


def result(size=(1000, 777), spec=None, mpp=0.5, kept=1.0, **fields) -> SlideResult:
    """Tiles all over the slide, of which a part is predicted."""
    spec = spec or TileSpec(64, 0.5)
    side = (spec.size * spec.mpp / mpp,) * 2
    columns, rows = starts(size, side, spec)
    y, x = (places.ravel() for places in np.meshgrid(rows, columns, indexing='ij'))
    count = len(x)
    grid = Grid(spec, x, y, side, np.ones(count, np.float32), 0, (spec.size, spec.size))
    rng = np.random.default_rng(0)
    predicted = np.flatnonzero(rng.random(count) < kept)
    mask = np.ones((10, 10), bool)
    given = {
        'path': Path('slide.svs'),
        'classes': CLASSES,
        'grid': grid,
        'rows': predicted,
        'scores': rng.dirichlet(np.ones(3), len(predicted)).astype(np.float32),
        'sharpness': np.ones(count, np.float32),
        'damaged': {},
        'blurred': np.setdiff1d(np.arange(count), predicted),
        'mpp': (mpp, mpp),
        'size': size,
        'picture': np.zeros((10, 10, 3), np.uint8),
        'tissue': Tissue(mask, (size[0] / 10, size[1] / 10), 20.0, ~mask),
    }
    return SlideResult(**{**given, **fields})


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        ('a/slide.svs', 'slide'),
        ('slide.ome.tif', 'slide'),
        ('slide.OME.TIFF', 'slide'),
        ('slide.TIF', 'slide'),
        ('TCGA-A1.2f3c-uuid.svs', 'TCGA-A1.2f3c-uuid'),
        ('case 1.2', 'case 1.2'),
        ('folder/', 'folder'),
        ('.tif', '.tif'),
        ('名.mrxs', '名'),
    ],
)
def test_names(path, name):
    assert result(path=Path(path)).name == name


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(st.integers(200, 2500), st.integers(200, 2500)),
    st.integers(8, 150),
    st.floats(0, 0.95),
    st.floats(0.3, 2.5),
)
def test_maps_put_every_tile_into_its_own_cell(size, side, share, mpp):
    spec = TileSpec(side, mpp, int(side * share))
    if (spec.size - spec.overlap) * mpp / 0.5 < 1:
        return
    found = result(size, spec, kept=0.7)
    values = found.map_of('b')
    columns, rows = starts(size, found.grid.side, spec)
    assert values.shape == (len(rows), len(columns))
    assert np.isfinite(values).sum() == len(found.rows)
    steps = found.steps
    for row, number in list(enumerate(found.rows))[:: max(1, len(found.rows) // 40)]:
        r = round(found.grid.y[number] / steps[1])
        c = round(found.grid.x[number] / steps[0])
        assert values[r, c] == found.scores[row, 1]
        assert abs(c * steps[0] - found.grid.x[number]) <= 0.5 + 1e-6


def test_the_table_says_where_and_what():
    found = result(kept=0.5)
    table = found.table
    assert list(table.columns) == [
        'x', 'y', 'width', 'height', 'tissue', 'sharpness', 'label', 'p_a', 'p_b', 'p_c',
    ]  # fmt: skip
    assert len(table) == len(found.rows)
    np.testing.assert_array_equal(table['x'], found.grid.x[found.rows])
    assert set(table['width']) == {64}
    np.testing.assert_array_equal(table[['p_a', 'p_b', 'p_c']].to_numpy(), found.scores)
    for label, scores in zip(table['label'], found.scores, strict=True):
        assert label == CLASSES[scores.argmax()]


def test_the_slide_is_the_aggregate_of_its_tiles():
    found = result()
    np.testing.assert_allclose(found.probabilities, found.scores.mean(0), atol=1e-6)
    assert found.label == CLASSES[found.scores.mean(0).argmax()]


def test_without_a_predicted_tile_nothing_is_said():
    found = result(kept=0.0)
    assert found.label is None and np.isnan(found.probabilities).all()
    assert np.isnan(found.map_of('a')).all() and found.table.empty


def test_a_class_that_is_not_there_is_named():
    with pytest.raises(ConfigError, match="no class 'z'; there are a, b, c"):
        result().map_of('z')
