"""A slide → a result, a map that zooms, files."""

from __future__ import annotations

import base64
import html
import io
import json
import re

import numpy as np
import pytest
from demo_cases import CLASSES
from PIL import Image

from cite.demo.slide import (
    chosen_slide,
    class_rows,
    predict_slide,
    said_mpp,
    slides_of,
    summary,
)
from cite.demo.slide_files import FILES, write_files
from cite.demo.viewer import content_of, viewer
from cite.demo.workspace import Workspace
from cite.errors import ConfigError, DataError
from cite.slides.uncertainty import uncertainty

ADAPTER = 'adapter/adapter.safetensors'


@pytest.fixture(scope='module')
def slides(demo_files):
    return slides_of(demo_files / 'slides')


@pytest.fixture(scope='module')
def result(demo_models, slides):
    return predict_slide(demo_models, slides['drawn.tif'], 'tiny-tissue', CLASSES, 'none')


def test_slides_are_chosen_by_name_and_uploads_go_first(slides, tmp_path):
    assert list(slides) == ['drawn.tif', 'glass.tif', 'silent.tif']
    assert chosen_slide('drawn.tif', None, slides) == slides['drawn.tif']
    assert chosen_slide('drawn.tif', '/tmp/mine.svs', slides).name == 'mine.svs'
    with pytest.raises(DataError, match='no slide yet'):
        chosen_slide(None, None, slides)
    with pytest.raises(ConfigError):
        chosen_slide('../adapter/adapter.safetensors', None, slides)
    with pytest.raises(DataError, match='no slides'):
        slides_of(tmp_path)


@pytest.mark.parametrize('name', ['mine.mrxs', 'mine.VMS', 'mine.vmu'])
def test_uploads_that_name_other_files_are_refused(slides, name):
    with pytest.raises(DataError, match=rf'^{name}: .*names other files.*--slides') as caught:
        chosen_slide(None, f'/tmp/uploads/{name}', slides)
    assert '/tmp' not in str(caught.value)


def test_slides_on_offer_are_those_that_the_command_finds(tmp_path):
    for name in ('dicom/1.dcm', 'dicom/2.dcm', 'out/heatmap.tif', 'out/predictions.parquet'):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'x')
    (tmp_path / 'lost.svs').symlink_to(tmp_path / 'gone.svs')
    assert list(slides_of(tmp_path)) == ['dicom', 'lost.svs']
    assert list(slides_of(tmp_path / 'dicom')) == ['dicom']  # the folder is the slide


def test_a_pair_says_of_a_slide_what_it_says_of_its_tiles(result, demo_models, slides):
    from cite.demo.patch import classify
    from cite.slides import open_slide
    from cite.slides.tiles import read_tile

    assert result.classes == ('well', 'poorly') and result.label == 'well'
    assert result.grid.spec.mpp == 2.0 and result.grid.spec.size == 112  # as it was trained
    with open_slide(slides['drawn.tif']) as slide:
        tile = read_tile(slide, result.grid, int(result.rows[0]))
    found = classify(demo_models, tile, 'tiny-tissue', CLASSES, 'none')
    assert result.scores[0] == pytest.approx(found.probabilities, abs=1e-3)
    assert result.record['texts']['well'] == 'well differentiated adenocarcinoma'


def test_resolutions_are_asked_for_where_nobody_says_them(demo_models, slides):
    assert said_mpp(slides['silent.tif']) is None
    ask = (demo_models, slides['silent.tif'], 'tiny-tissue', CLASSES, 'none')
    with pytest.raises(DataError, match='Resolution of the slide'):
        predict_slide(*ask)
    assert predict_slide(*ask, '0.75').record['mpp_from'] == 'given'
    with pytest.raises(ConfigError, match='Resolution of the tiles'):
        predict_slide(demo_models, slides['drawn.tif'], ADAPTER, '', '')
    found = predict_slide(demo_models, slides['drawn.tif'], ADAPTER, '', '', None, '0,75')
    assert found.classes == demo_models.adapters[ADAPTER].classes


def test_glass_and_broken_files_are_told_by_name(demo_models, slides, tmp_path):
    broken = tmp_path / 'broken.svs'
    broken.write_bytes(b'II*\0 nothing that follows')
    for path, said in ((slides['glass.tif'], 'tissue'), (broken, 'broken.svs')):
        with pytest.raises(DataError, match=said) as caught:
            predict_slide(demo_models, path, 'tiny-tissue', CLASSES, 'none')
        assert str(path.parent) not in str(caught.value)


def test_the_page_tells_probability_and_uncertainty(result):
    found = uncertainty(result)
    rows = class_rows(result, found)
    assert [row[0] for row in rows] == ['well', 'poorly']
    assert float(rows[0][1]) == pytest.approx(result.probabilities[0], abs=1e-3)
    assert f'Entropy {found.entropy:.2f}' in summary(result, found)
    assert found.why[1:] in summary(result, found)


def test_the_viewer_has_a_map_of_each_class_in_its_place(result):
    content = content_of(result)
    assert [one['name'] for one in content['classes']] == ['well', 'poorly']
    picture, heat = (
        _image(content[key] if key else content['classes'][0]['map']) for key in ('picture', '')
    )
    assert picture.size == (content['width'], content['height'])
    assert content['um'] * content['width'] == pytest.approx(0.75 * result.size[0])
    # a pixel of the map is a tile: of as many micrometres, and clear where none is
    assert content['box'][0] / heat.width * content['um'] == pytest.approx(2.0 * 112)
    assert (np.asarray(heat)[..., 3] > 0).sum() == len(result.rows)


def test_names_of_classes_cannot_become_markup(result):
    from dataclasses import replace

    bad = '"><script>alert(1)</script>'
    text = viewer(replace(result, classes=(bad, 'poorly')))
    assert '<script' not in text
    content = html.unescape(re.search(r'data-content="([^"]*)"', text)[1])
    assert bad in [one['name'] for one in json.loads(content)['classes']]


def test_files_are_those_of_the_result(result):
    import pandas as pd

    with Workspace() as workspace:
        table, tiles, picture = write_files(result, workspace)
        assert [path.name for path in (table, tiles, picture)] == list(FILES)
        assert pd.read_parquet(table)['p_well'].tolist() == result.scores[:, 0].tolist()
        assert len(json.loads(tiles.read_text())['features']) == len(result.rows)
        assert Image.open(picture).width > 600


def _image(address):
    return Image.open(io.BytesIO(base64.b64decode(address.partition(',')[2])))
