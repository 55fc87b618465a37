"""Slides that are damaged, cut off, or no slides at all: refused by name, or read as far as they go."""

from __future__ import annotations

import os
import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import tifffile
from colour_model import colour_predictor
from drawn_pyramids import texture, write_levels
from PIL import Image

from cite.errors import ConfigError, DataError
from cite.slides import predict
from cite.slides.readers import RegionError, open_slide
from cite.slides.readers.openslide import OpenSlideReader
from cite.slides.readers.tiff import TiffReader

SIDE = 64


@cache
def tissue_picture() -> np.ndarray:
    """Stained all over, and sharp."""
    grain = texture(512, 512, smooth=0.8).astype(int)
    return (np.array([200, 120, 170]) + (grain - 128) // 4).clip(0, 255).astype(np.uint8)


def slide_file(folder: Path, **options) -> Path:
    write_levels(folder / 'slide.tif', tissue_picture(), **options)
    return folder / 'slide.tif'


def run(path: Path, **options):
    return predict(path, colour_predictor(SIDE), **{'workers': 2, **options})


def spoil(path: Path, segments: list[int], page: int = 0, how: str = 'head') -> None:
    """Overwrites the bytes of tiles."""
    with tifffile.TiffFile(path) as file:
        of = file.pages[page]
        places = [(of.dataoffsets[number], of.databytecounts[number]) for number in segments]
    content = bytearray(path.read_bytes())
    for start, count in places:
        first, byte = (0, b'\0') if how == 'head' else (count // 2, b'\xff')
        content[start + first : start + count] = byte * (count - first)
    path.write_bytes(content)


def test_no_resolution_is_asked_for(tmp_path):
    path = slide_file(tmp_path, mpp=None)
    with pytest.raises(DataError, match=r'slide\.tif does not say its resolution'):
        run(path)
    assert len(run(path, slide_mpp=0.5).rows) == 64
    for bad in (0, 353, float('nan')):
        with pytest.raises(ConfigError, match='mpp of a slide must be'):
            run(path, slide_mpp=bad)


def test_a_resolution_of_a_screen_is_no_resolution(tmp_path):
    with pytest.raises(DataError, match='does not say its resolution'):
        run(slide_file(tmp_path, mpp=(352.8, 352.8)))


def test_a_white_slide_is_refused(tmp_path):
    white = np.full((512, 512, 3), 244, np.uint8)
    write_levels(tmp_path / 'white.tif', white)
    with pytest.raises(DataError, match=r'white\.tif: no tile .* has tissue: none was found'):
        run(tmp_path / 'white.tif')


def test_a_slide_smaller_than_a_tile_is_refused(tmp_path):
    with pytest.raises(
        DataError, match=r'no tile of 600 pixels .*fits into it.*Give smaller tiles'
    ):
        run(slide_file(tmp_path), tile_size=600)


def test_no_slides(tmp_path):
    (tmp_path / 'empty.svs').touch()
    (tmp_path / 'text.svs').write_text('no slide')
    Image.fromarray(tissue_picture()).save(tmp_path / 'photo.jpg')
    shutil.copy(tmp_path / 'photo.jpg', tmp_path / 'photo.svs')
    (tmp_path / 'folder').mkdir()
    (tmp_path / 'noise.tif').write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / 'noise.dcm').write_bytes(np.random.default_rng(0).bytes(5000))
    (tmp_path / 'noise.ome.tif').write_bytes(b'II*\0' + np.random.default_rng(0).bytes(5000))
    told = {
        'gone.svs': 'no such file',
        'empty.svs': 'the file is empty',
        'text.svs': 'no reader opens it',
        'photo.svs': 'no reader opens it',
        'photo.jpg': 'no reader opens it',
        'folder': r'no reader opens it.*give the \.mrxs file',
        'noise.tif': 'no reader opens it',
        'noise.dcm': 'no reader opens it',
        'noise.ome.tif': 'no reader opens it',
    }
    for name, what in told.items():
        with pytest.raises(DataError, match=f'slide .*{name}: {what}') as caught:
            open_slide(tmp_path / name)
        assert '\n' not in str(caught.value) and len(str(caught.value)) < 1000


def test_a_mirax_slide_without_its_folder(tmp_path):
    (tmp_path / 'a.mrxs').write_bytes(b'\xff\xd8\xff\xe0' + bytes(100))
    with pytest.raises(DataError, match=r'a\.mrxs: no reader opens it.*folder .*a is missing'):
        open_slide(tmp_path / 'a.mrxs')


def test_files_that_may_not_be_read(tmp_path, monkeypatch):
    path = slide_file(tmp_path)
    monkeypatch.setattr(os, 'access', lambda *_: False)  # root may read all
    with pytest.raises(DataError, match=r'slide\.tif: no permission'):
        open_slide(path)


@pytest.mark.parametrize('workers', [0, 4])
def test_one_damaged_tile_costs_the_tiles_that_touch_it(tmp_path, workers):
    path = slide_file(tmp_path, tile=128, compression='jpeg')
    whole = run(path)
    spoil(path, [5])  # columns 128 to 256, rows 128 to 256
    found = run(path, workers=workers)
    touched = {
        number
        for number, (x, y) in enumerate(zip(found.grid.x, found.grid.y, strict=True))
        if 128 <= x < 256 and 128 <= y < 256
    }
    assert len(found.grid) == len(whole.grid) == 64 and len(touched) == 4
    assert found.damaged.keys() == touched
    assert all('is damaged' in why for why in found.damaged.values())
    assert set(found.rows) == set(range(64)) - touched
    np.testing.assert_array_equal(found.scores, whole.scores[found.rows])
    assert np.isnan(found.sharpness[sorted(touched)]).all()


def test_pixels_that_are_cut_short_inside_a_tile_are_noticed(tmp_path):
    path = slide_file(tmp_path, tile=128, compression='jpeg')
    spoil(path, [5], how='half')
    assert len(run(path).damaged) == 4


def test_more_than_half_damaged_is_refused(tmp_path):
    path = slide_file(tmp_path, tile=128, compression='jpeg')
    spoil(path, list(range(9)))
    with pytest.raises(DataError, match=r'36 of 64 tiles cannot be read.*copy it again'):
        run(path)


def test_damage_on_the_overviews_level_costs_nothing(tmp_path):
    picture = np.tile(tissue_picture(), (5, 5, 1))
    write_levels(tmp_path / 'a.tif', picture, (1, 2), compression='jpeg')
    whole = run(tmp_path / 'a.tif')
    spoil(tmp_path / 'a.tif', [0, 7], page=1)
    found = run(tmp_path / 'a.tif')
    assert not found.damaged
    np.testing.assert_array_equal(found.rows, whole.rows)
    np.testing.assert_array_equal(found.scores, whole.scores)


@pytest.mark.parametrize('reader', [OpenSlideReader, TiffReader])
@pytest.mark.parametrize('part', [0.3, 0.6, 0.9])
def test_cut_off_drawn_slides(tmp_path, reader, part):
    """Page tables lie in front here, so what is left can be read: it must be right, the rest an error."""
    path = tmp_path / 'slide.tif'
    write_levels(path, tissue_picture(), tile=128)  # tifffile writes the table of a page in front
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * part)])
    try:
        slide = reader(path)
    except DataError as error:  # OpenSlide reads all of the last level to begin with
        assert reader is OpenSlideReader and 'slide.tif' in str(error)
        return
    with slide:
        good = bad = 0
        for y in range(0, 512, 128):
            for x in range(0, 512, 128):
                try:
                    pixels = slide.read(x, y, 0, 128, 128)
                except RegionError:
                    bad += 1
                    continue
                good += 1
                np.testing.assert_array_equal(pixels, tissue_picture()[y : y + 128, x : x + 128])
    assert good + bad == 16 and abs(good / 16 - part) < 0.15
    if part < 0.5:
        with pytest.raises(DataError, match='of 64 tiles cannot be read'):
            run(path)
    else:
        found = run(path)
        assert len(found.damaged) == 4 * bad and len(found.rows) == 4 * good


@pytest.mark.parametrize(
    'name', ['slides/cmu-1-small-region.svs', 'slides/tcga-cr-7395-01a-01-ts1.svs']
)
@pytest.mark.parametrize('part', [0.3, 0.6, 0.9])
def test_cut_off_real_slides_are_refused_or_counted(real_data, tmp_path, name, part):
    content = real_data(name).read_bytes()
    path = tmp_path / 'cut.svs'
    path.write_bytes(content[: int(len(content) * part)])
    try:
        found = predict(path, colour_predictor(224), slide_mpp=0.5, mpp=1.0, workers=2)
    except DataError as error:
        assert 'cut.svs' in str(error)
    else:
        assert len(found.damaged) <= len(found.grid) / 2
        whole = predict(real_data(name), colour_predictor(224), slide_mpp=0.5, mpp=1.0, workers=2)
        assert found.damaged or len(found.rows) == len(
            whole.rows
        )  # what is cut off are other pictures
        places = dict(
            zip(
                zip(whole.grid.x[whole.rows], whole.grid.y[whole.rows], strict=True),
                whole.scores,
                strict=True,
            )
        )
        for row, scores in zip(found.rows, found.scores, strict=True):
            known = places.get((found.grid.x[row], found.grid.y[row]))
            assert known is None or np.allclose(
                known, scores, atol=0.02
            )  # perhaps by another level
