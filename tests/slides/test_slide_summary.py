from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from made_results import made, shares

from cite.slides.outputs.summary import summary
from cite.slides.uncertainty import uncertainty


@pytest.fixture
def result():
    scores = shares(20)
    rows = np.delete(np.arange(20), [3, 7, 11])
    record = {'mpp_from': 'the file', 'least_tissue': 0.5, 'least_sharpness': 0.02}
    whole = made(scores, 4, 5, record=record)
    return replace(
        whole,
        rows=rows,
        scores=scores[rows],
        sharpness=np.where(np.arange(20) == 11, np.nan, 1).astype(np.float32),
        blurred=np.array([3, 7]),
        damaged={11: 'region is damaged'},
    )


def test_tiles_add_up(result):
    tiles = summary(result, uncertainty(result))['tiles']
    assert tiles['predicted'] + tiles['blurred'] + tiles['damaged'] == tiles['with_tissue'] == 20
    assert tiles['with_tissue'] + tiles['too_little_tissue'] == tiles['on_grid'] == 20
    assert (tiles['blurred'], tiles['damaged']) == (2, 1)
    assert sum(tiles['by_class'].values()) == tiles['predicted']


def test_a_grid_has_places_without_tissue():
    result = made(shares(20), 4, 5)
    some = np.arange(0, 20, 2)
    grid = replace(
        result.grid, x=result.grid.x[some], y=result.grid.y[some], tissue=result.grid.tissue[some]
    )
    found = replace(result, grid=grid, rows=np.arange(10), scores=result.scores[some])
    tiles = summary(found, uncertainty(found))['tiles']
    assert (tiles['on_grid'], tiles['too_little_tissue'], tiles['predicted']) == (20, 10, 10)


def test_areas_are_square_millimetres(result):
    area = summary(result, uncertainty(result))['area_mm2']
    tile = 0.112**2
    assert area['slide'] == pytest.approx(20 * tile, rel=1e-3)
    assert area['tissue'] == pytest.approx(20 * tile, rel=1e-3)  # all of it
    assert area['tissue_predicted'] == pytest.approx(17 * tile, rel=1e-3)
    half = made(shares(20), 4, 5, overlap=112)
    assert summary(half, uncertainty(half))['area_mm2']['tissue_predicted'] == pytest.approx(
        20 * tile / 4, rel=1e-2
    )


def test_it_is_plain_json_without_nan(result):
    found = summary(result, uncertainty(result))
    again = json.loads(json.dumps(found, allow_nan=False))
    assert again == found
    assert again['label'] == result.label
    assert again['uncertainty']['low'] is None and again['uncertainty']['why_none']
    assert again['damaged'] == {
        f'{int(result.grid.x[11])},{int(result.grid.y[11])}': 'region is damaged'
    }
    assert again['mpp_from'] == 'the file' and 'not for diagnosis' in again['notice']
