from __future__ import annotations

import json
import tracemalloc
from uuid import UUID

import pytest
from known_slide import ByColour
from made_results import made, shares

from cite.slides import predict
from cite.slides.outputs.colours import class_colours
from cite.slides.outputs.geojson import write_geojson


@pytest.fixture
def result():
    classes = ('a "quoted" \\ class', 'grün\nzwei', 'c')
    return made(shares(12), 3, 4, slide_mpp=(0.23, 0.27), classes=classes)


def read(path):
    return json.loads(path.read_text('utf-8'))['features']


def test_features_have_what_qupath_reads(result, tmp_path):
    write_geojson(tmp_path / 'tiles.geojson', result)
    features = read(tmp_path / 'tiles.geojson')
    colours = dict(zip(result.classes, class_colours(3), strict=True))
    assert len({UUID(feature['id']) for feature in features}) == 12
    for row, feature in enumerate(features):
        assert feature['type'] == 'Feature'
        said = feature['properties']
        assert said['objectType'] == 'tile'
        assert said['classification']['name'] == result.classes[result.scores[row].argmax()]
        assert tuple(said['classification']['color']) == colours[said['classification']['name']]
        for at, name in enumerate(result.classes):
            assert said['measurements'][f'p_{name}'] == pytest.approx(result.scores[row, at], 1e-4)
        x, y = int(result.grid.x[row]), int(result.grid.y[row])
        right, bottom = x + round(result.grid.side[0]), y + round(result.grid.side[1])
        assert feature['geometry']['type'] == 'Polygon'
        assert feature['geometry']['coordinates'] == [
            [[x, y], [right, y], [right, bottom], [x, bottom], [x, y]]
        ]


def test_annotations_are_written_where_they_are_asked_for(result, tmp_path):
    write_geojson(tmp_path / 'a.geojson', result, 'annotation')
    assert {f['properties']['objectType'] for f in read(tmp_path / 'a.geojson')} == {'annotation'}


def test_equal_results_give_equal_files(result, tmp_path):
    for name in 'ab':
        write_geojson(tmp_path / name, result)
    assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_many_tiles_are_not_held_at_once(tmp_path):
    result = made(shares(4000), 40, 100)
    tracemalloc.start()
    write_geojson(tmp_path / 'many.geojson', result)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    size = (tmp_path / 'many.geojson').stat().st_size
    assert peak < size / 2
    assert len(read(tmp_path / 'many.geojson')) == 4000


def test_squares_of_a_real_slide_lie_on_its_tissue(real_data, tmp_path):
    result = predict(
        real_data('slides/cmu-1-small-region.svs'), ByColour(), tile_size=224, workers=0
    )
    write_geojson(tmp_path / 'tiles.geojson', result)
    picture, by = result.picture, result.picture.shape[1] / result.size[0]
    lies = []
    for feature in read(tmp_path / 'tiles.geojson'):
        ring = feature['geometry']['coordinates'][0]
        (left, top), (right, bottom) = (
            (round(x * by), round(y * by)) for x, y in (ring[0], ring[2])
        )
        part = picture[top:bottom, left:right].astype(int)
        lies.append((part.max(2) - part.min(2) > 25).mean())
    assert len(lies) == len(result.rows) > 20
    assert min(lies) > 0.3
    colours = picture.astype(int)
    assert (colours.max(2) - colours.min(2) > 25).mean() < 0.4  # most of the slide is glass
