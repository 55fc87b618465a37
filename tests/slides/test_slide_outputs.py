"""What is written agrees with the pixels of a slide whose tiles have known classes."""

from __future__ import annotations

import errno
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from known_slide import CLASSES, GLASS, SIDE, ByColour, pattern, write_slide
from made_results import made, shares
from PIL import Image

from cite.errors import ConfigError, DataError
from cite.slides import open_slide, predict
from cite.slides.outputs import write as writing
from cite.slides.outputs.colours import heat
from cite.slides.outputs.folder import (
    OutputError,
    check_replaceable,
    check_writable,
    replacing_folder,
)
from cite.slides.outputs.maps import paint, tile_map
from cite.slides.outputs.pyramid import write_map
from cite.slides.outputs.table import read_record
from cite.slides.outputs.write import Wanted, file_stems, write_outputs

KNOWN = pattern()


@pytest.fixture(scope='module')
def slide(tmp_path_factory):
    return write_slide(tmp_path_factory.mktemp('slide') / 'known.tif', KNOWN)


@pytest.fixture(scope='module')
def result(slide):
    return predict(slide, ByColour(), workers=0)


@pytest.fixture(scope='module')
def written(result, tmp_path_factory):
    folder = tmp_path_factory.mktemp('out') / 'known'
    return folder, write_outputs(result, folder, key='k')


def class_at(x, y):
    """Of the middle of a tile, from how the slide was drawn."""
    return KNOWN[int(y) // SIDE, int(x) // SIDE]


def test_the_table_says_of_each_place_what_is_there(written):
    import pandas as pd

    table = pd.read_parquet(written[0] / 'predictions.parquet')
    assert len(table) == (KNOWN != GLASS).sum()
    for row in table.itertuples():
        known = class_at(row.x + row.width / 2, row.y + row.height / 2)
        assert row.label == CLASSES[known]
    columns = ['x', 'y', 'width', 'height', 'tissue', 'sharpness', 'label']
    assert list(table.columns) == columns + [f'p_{name}' for name in CLASSES]
    assert read_record(written[0] / 'predictions.parquet')['model'] == 'by-colour'


def test_geojson_squares_lie_on_what_they_say(written):
    found = json.loads((written[0] / 'tiles.geojson').read_text('utf-8'))
    assert len(found['features']) == (KNOWN != GLASS).sum()
    for feature in found['features']:
        ring = np.array(feature['geometry']['coordinates'][0])
        assert (ring[0] == ring[-1]).all() and len(ring) == 5
        assert (ring.max(0) - ring.min(0) == SIDE).all()
        known = class_at(*ring[:4].mean(0))
        assert feature['properties']['classification']['name'] == CLASSES[known]
        measured = feature['properties']['measurements']
        assert measured[f'p_{CLASSES[known]}'] == pytest.approx(0.9, abs=1e-4)


def test_the_tiff_lies_on_the_slide(written, result):
    stems = file_stems(CLASSES)
    for number, stem in enumerate(stems):
        with open_slide(written[0] / f'heatmap_{stem}.tif') as opened:
            page = opened.read(0, 0, 0, *opened.size)
        values = np.where(number == KNOWN, 0.9, 0.05).astype(np.float32)
        expected = heat(np.where(KNOWN == GLASS, np.nan, values))[..., :3]
        expected[KNOWN == GLASS] = 255
        rows, columns = KNOWN.shape
        assert np.abs(page[:rows, :columns].astype(int) - expected).max() <= 2
        assert (page[rows:] == 255).all() and (page[:, columns:] == 255).all()
        with tifffile.TiffFile(written[0] / f'heatmap_{stem}.tif') as file:
            tags = file.pages[0].tags
            above, below = tags['XResolution'].value
            assert 1e4 * below / above == pytest.approx(SIDE * 0.5, rel=1e-6)
            said = json.loads(tags['ImageDescription'].value)
        assert said['slide_pixels_per_pixel'] == list(result.steps) and said['origin'] == [0, 0]


def test_openslide_knows_the_size_of_the_maps_pixels(written):
    openslide = pytest.importorskip('openslide')
    path = written[0] / f'heatmap_{file_stems(CLASSES)[0]}.tif'
    with openslide.OpenSlide(str(path)) as opened:
        assert float(opened.properties['openslide.mpp-x']) == pytest.approx(SIDE * 0.5)


def test_a_large_map_is_a_pyramid_of_means(tmp_path):
    openslide = pytest.importorskip('openslide')
    values = np.random.default_rng(0).random((300, 620)).astype(np.float32)
    values[:, :7] = np.nan
    write_map(tmp_path / 'map.tif', values, 112.0, (224.0, 224.0), {'class': 'é'})
    with openslide.OpenSlide(str(tmp_path / 'map.tif')) as opened:
        assert opened.level_dimensions == ((620, 300), (310, 150), (155, 75))
        half = np.asarray(opened.read_region((0, 0), 1, (310, 150)))[..., :3]
    blocks = values.reshape(150, 2, 310, 2)
    assert (half[:, :3] == 255).all()  # nothing predicted
    expected = heat(np.nanmean(blocks[:, :, 4:], axis=(1, 3)))[..., :3]
    assert np.abs(half[:, 4:].astype(int) - expected).max() <= 2
    edge = heat(values.reshape(150, 2, 620)[:, :, 7].mean(1))[
        ..., :3
    ]  # one column of two has a value
    assert np.abs(half[:, 3].astype(int) - edge).max() <= 2


@pytest.mark.parametrize(('tile', 'mpp', 'overlap'), [(32, 1.0, 0), (64, 0.5, 32), (48, 0.5, 17)])
def test_maps_lie_on_the_slide_at_other_resolutions_and_with_overlap(tmp_path, tile, mpp, overlap):
    known = np.kron(pattern(4, 5), np.ones((3, 3), int))
    path = write_slide(tmp_path / 'coarse.tif', known)
    found = predict(path, ByColour(), tile_size=tile, mpp=mpp, overlap=overlap, workers=0)
    maps = tile_map(found)
    checked = 0
    for row, column in np.argwhere(np.isfinite(maps[..., 0])):
        x, y = (column + 0.5) * found.steps[0], (row + 0.5) * found.steps[1]
        # where all tiles that can lie over the pixel are of one class
        left, top = ((at - side) / SIDE for at, side in zip((x, y), found.grid.side, strict=True))
        right, bottom = (
            (at + side) / SIDE for at, side in zip((x, y), found.grid.side, strict=True)
        )
        around = known[max(0, int(top)) : int(bottom) + 1, max(0, int(left)) : int(right) + 1]
        if (around == around[0, 0]).all() and around[0, 0] != GLASS:
            assert maps[row, column].argmax() == around[0, 0]
            assert maps[row, column].max() == pytest.approx(0.9, abs=1e-4)
            checked += 1
    assert checked > 10


@settings(max_examples=40, deadline=None)
@given(
    size=st.integers(4, 40),
    part=st.floats(0, 0.9),
    pixel=st.tuples(st.floats(1, 30), st.floats(1, 30)),
    seed=st.integers(0, 99),
)
def test_a_painted_pixel_is_the_mean_of_the_tiles_over_its_centre(size, part, pixel, seed):
    result = made(shares(20, seed=seed), 4, 5, size, overlap=int(part * size))
    tiles = np.random.default_rng(seed).permutation(20)[:13]
    shape = int(result.size[1] / pixel[1]) + 2, int(result.size[0] / pixel[0]) + 2
    found = paint(result.grid, tiles, result.scores[tiles], pixel, shape)
    centres_x, centres_y = (np.arange(n) + 0.5 for n in shape[::-1])
    sums, counts = np.zeros((*shape, 3)), np.zeros(shape)
    for tile in tiles:
        x, y = result.grid.x[tile], result.grid.y[tile]
        inside_x = (centres_x >= x / pixel[0]) & (centres_x < (x + size) / pixel[0])
        inside_y = (centres_y >= y / pixel[1]) & (centres_y < (y + size) / pixel[1])
        inside = inside_y[:, None] & inside_x
        sums[inside] += result.scores[tile]
        counts[inside] += 1
    with np.errstate(invalid='ignore'):
        np.testing.assert_allclose(found, sums / counts[..., None], atol=1e-5)


def test_all_files_are_there_and_named_in_the_summary(written):
    folder, said = written
    there = {path.name for path in folder.iterdir()}
    assert there == {*said['files'], 'summary.json'}
    stems = file_stems(CLASSES)
    assert {f'heatmap_{stem}.{kind}' for stem in stems for kind in ('png', 'tif')} <= there
    assert {'heatmap.png', 'report.html', 'tiles.png'} <= there
    for name in there:
        if name.endswith('.png'):
            Image.open(folder / name).verify()


def test_only_named_classes_are_drawn(result, tmp_path):
    said = write_outputs(result, tmp_path / 'one', Wanted(['violet']))
    maps = [name for name in said['files'] if name.startswith('heatmap_')]
    assert maps == ['heatmap_violet.png', 'heatmap_violet.tif']
    assert set(said['probabilities']) == set(CLASSES)
    with pytest.raises(ConfigError, match='--class nobody'):
        write_outputs(result, tmp_path / 'none', Wanted(['nobody']))
    assert not (tmp_path / 'none').exists()


def test_a_full_disk_leaves_the_former_folder_whole(result, tmp_path, monkeypatch):
    folder = tmp_path / 'slide'
    write_outputs(result, folder, Wanted(['violet']), key='first')

    def full(*_):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(writing, 'write_json', full)
    with pytest.raises(OutputError, match='No space left on device'):
        write_outputs(result, folder, Wanted(['violet']), key='second')
    assert json.loads((folder / 'summary.json').read_text())['key'] == 'first'
    assert [path.name for path in tmp_path.iterdir()] == ['slide']


def test_what_a_killed_process_left_is_cleared_and_nothing_else(tmp_path):
    others = {'.other.99.tmp', '.slide.b.99.tmp', 'slide.b'}
    for name in ('.slide.99.tmp', '.slide.98.old', 'slide', *others):
        (tmp_path / name).mkdir()
    with replacing_folder(tmp_path / 'slide') as place:
        (place / 'new').write_text('')
    assert {path.name for path in tmp_path.iterdir()} == {'slide', *others}
    assert (tmp_path / 'slide' / 'new').exists()


def test_only_what_cite_wrote_is_replaced(tmp_path):
    for name, content in (('a', 'no JSON'), ('b', '{}'), ('c', '[]'), ('d', '{"key": 3}')):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'summary.json').write_text(content)
    (tmp_path / 'file').write_text('')
    (tmp_path / 'ours').mkdir()
    (tmp_path / 'ours' / 'tiles.json').write_text('{"key": "1"}')
    (tmp_path / 'link').symlink_to(tmp_path / 'ours')
    for name in ('a', 'b', 'c', 'd', 'file', 'link'):
        with (
            pytest.raises(OutputError, match=f'{name}: would be replaced'),
            replacing_folder(tmp_path / name),
        ):
            pass
        assert (tmp_path / name).exists()
    check_replaceable(tmp_path / 'ours')
    with pytest.raises(OutputError, match=r'no summary\.json of cite'):
        check_replaceable(tmp_path / 'ours', ('summary.json',))
    check_replaceable(tmp_path / 'none')


def test_a_former_folder_comes_back_where_the_new_one_cannot_take_its_place(tmp_path, monkeypatch):
    folder, rename = tmp_path / 'slide', Path.rename
    folder.mkdir()
    (folder / 'summary.json').write_text('{"key": "1"}')

    def fails(path, target):
        if path.suffix == '.tmp':
            raise OSError(errno.EIO, 'broken')
        return rename(path, target)

    monkeypatch.setattr(Path, 'rename', fails)
    with pytest.raises(DataError, match='broken') as found, replacing_folder(folder):
        pass
    assert not isinstance(found.value, OutputError)  # others may fare better
    assert [path.name for path in tmp_path.iterdir()] == ['slide']
    assert (folder / 'summary.json').exists()


def test_a_folder_that_cannot_be_written_is_told_before_any_work(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(OutputError, match='cannot be written'):
        check_writable(tmp_path / 'file' / 'out')


def test_a_slide_that_is_blurred_all_over_is_named(result, tmp_path):
    empty = np.array([], np.int64)
    none = replace(
        result, rows=empty, scores=result.scores[:0], blurred=np.arange(len(result.grid))
    )
    with pytest.raises(DataError, match=r'known\.tif: none of \d+ tiles .* blurred'):
        write_outputs(none, tmp_path / 'out')
    assert not list(tmp_path.iterdir())


def test_names_of_files_are_plain_and_no_two_alike():
    stems = file_stems(['a b', 'a_b', 'A/B', '///', 'x' * 300, 'x' * 301, 'grün'])
    assert len({stem.lower() for stem in stems}) == 7
    assert all(len(stem) < 70 and '/' not in stem and stem for stem in stems)
    assert stems[0] == 'a_b' and stems[-1] == 'grün'
