"""A slide and an adapter: which tiles are predicted, from which pixels, and that nothing else decides."""

from __future__ import annotations

import numpy as np
import pytest
import small_adapter
import torch
from colour_model import colour_predictor
from drawn_pyramids import shrunk, texture, write_levels
from PIL import Image, ImageFilter

from cite import slides
from cite.errors import ConfigError
from cite.serving import load
from cite.slides import inference
from cite.slides.readers.openslide import OpenSlideReader
from cite.slides.readers.tiff import TiffReader

SIDE = 64


@pytest.fixture(scope='module')
def picture():
    """Glass, and on it a piece of tissue, the right half of which is blurred."""
    grain = texture(1024, 768, smooth=0.8).astype(int)
    colour = np.linspace(60, 220, 1024)[None, :, None] * np.array([1.0, 0.5, 0.8])
    tissue = (colour + (grain - 128) // 4).clip(0, 255).astype(np.uint8)
    blurred = np.asarray(Image.fromarray(tissue).filter(ImageFilter.GaussianBlur(4)))
    page = np.full((768, 1024, 3), 244, np.uint8)
    page[128:640, 128:640] = tissue[128:640, 128:640]
    page[128:640, 640:896] = blurred[128:640, 640:896]
    return page


@pytest.fixture(scope='module')
def path(picture, tmp_path_factory):
    file = tmp_path_factory.mktemp('slides') / 'drawn.tif'
    write_levels(file, picture, (1, 4))
    return file


def softmax(values):
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def test_scores_are_the_models_of_the_pixels_that_the_grid_names(path, picture):
    found = slides.predict(path, colour_predictor(SIDE), workers=2)
    assert len(found.rows) > 50
    x, y = found.grid.x[found.rows], found.grid.y[found.rows]
    assert (x % SIDE == 0).all() and (y % SIDE == 0).all()
    means = np.array(
        [
            picture[v : v + SIDE, u : u + SIDE].mean((0, 1), dtype=float)
            for u, v in zip(x, y, strict=True)
        ]
    )
    np.testing.assert_allclose(found.scores, softmax(means / 16), atol=1e-4)
    assert found.label == 'red'
    np.testing.assert_allclose(found.probabilities, found.scores.mean(0), atol=1e-6)


def test_blurred_tiles_are_left_out_and_counted(path):
    found = slides.predict(path, colour_predictor(SIDE), workers=1)
    x = found.grid.x
    blurred = np.zeros(len(found.grid), bool)
    blurred[found.blurred] = True
    inside = (x >= 704) & (x + SIDE <= 896)
    assert blurred[inside].all() and not blurred[x + SIDE <= 640].any()
    assert sorted([*found.rows, *found.blurred]) == list(range(len(found.grid)))
    assert (found.sharpness[found.rows] >= inference.BLUR).all()
    every = slides.predict(path, colour_predictor(SIDE), blur=0, workers=1)
    assert not len(every.blurred) and len(every.rows) == len(every.grid)
    none = slides.predict(path, colour_predictor(SIDE), blur=1e9, workers=1)
    assert none.label is None and np.isnan(none.probabilities).all() and not len(none.table)


def same(one, other, exact: bool = True) -> None:
    for name in ('rows', 'blurred', 'sharpness', 'picture'):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    np.testing.assert_array_equal(one.grid.x, other.grid.x)
    assert one.damaged == other.damaged
    if exact:
        np.testing.assert_array_equal(one.scores, other.scores)
    else:
        np.testing.assert_allclose(one.scores, other.scores, atol=1e-5)


@pytest.mark.parametrize('mpp', [0.5, 1.35])
def test_batches_and_threads_change_nothing(path, mpp):
    model = colour_predictor(SIDE)
    first = slides.predict(path, model, mpp=mpp, batch_size=1, workers=0)
    for batch_size, workers in [(7, 0), (1, 3), (7, 3), (1000, 8), ('auto', None)]:
        same(first, slides.predict(path, model, mpp=mpp, batch_size=batch_size, workers=workers))
    model.classifier.batches.clear()
    slides.predict(path, model, batch_size=7, workers=3)
    assert set(model.classifier.batches[:-1]) == {7}


def test_a_transformer_says_the_same_in_any_batch(path, tmp_path):
    file, *_ = small_adapter.write(tmp_path)
    trained = load(file, device='cpu')
    options = {'mpp': 1.0, 'tile_size': SIDE}
    first = slides.predict(path, trained, batch_size=3, workers=0, **options)
    assert len(first.rows) > 5
    same(first, slides.predict(path, trained, batch_size=32, workers=4, **options), exact=False)
    same(first, slides.predict(path, file, batch_size=3, workers=4, **options), exact=False)


@pytest.mark.parametrize('mpp', [0.5, 1.35, 2.0])
def test_the_reader_changes_nothing(path, monkeypatch, mpp):
    model, results = colour_predictor(SIDE), []
    for reader in (OpenSlideReader, TiffReader):
        monkeypatch.setattr(inference, 'open_slide', reader)
        results.append(slides.predict(path, model, mpp=mpp))
    same(*results)


def test_a_pyramid_says_what_its_first_level_says(path, picture, tmp_path):
    write_levels(tmp_path / 'one.tif', picture)
    model = colour_predictor(SIDE)
    for mpp in (2.0, 2.7):
        one, two = (slides.predict(each, model, mpp=mpp) for each in (tmp_path / 'one.tif', path))
        assert one.grid.level == 0 and two.grid.level == 1
        np.testing.assert_array_equal(one.rows, two.rows)
        np.testing.assert_allclose(one.scores, two.scores, atol=0.01)


def test_tiles_are_as_the_adapters_patches_were():
    assert inference.tile_spec(colour_predictor(96, 0.25)).size == 96
    assert inference.tile_spec(colour_predictor(96, 0.25)).mpp == 0.25
    assert inference.tile_spec(colour_predictor(96, None), mpp=1).mpp == 1
    with pytest.raises(ConfigError, match='does not say at which resolution'):
        inference.tile_spec(colour_predictor(96, None))
    for size in (0, -3):
        with pytest.raises(ConfigError, match='size of at least 1'):
            inference.tile_spec(colour_predictor(96), tile_size=size)


@pytest.mark.parametrize(
    'options',
    [
        {'workers': -1},
        {'batch_size': 0},
        {'aggregation': 'sum'},
        {'overlap': 64},
        {'blur': -1},
        {'blur': float('nan')},
    ],
)
def test_options_out_of_range(path, options):
    with pytest.raises(ConfigError):
        slides.predict(path, colour_predictor(SIDE), **options)


def test_the_record_is_plain_and_complete(path):
    import json

    record = slides.predict(path, colour_predictor(SIDE), overlap=8, mpp=0.4).record
    assert json.loads(json.dumps(record)) == record
    assert record['slide'] == 'drawn.tif' and record['mpp_from'] == 'the file'
    assert record['tile_size'] == SIDE and record['overlap'] == 8
    assert record['enlarged'] == pytest.approx(1.25)
    options = {'slide_mpp': 0.4}
    said = slides.predict(path, colour_predictor(SIDE), **options).record
    assert said['mpp_from'] == 'the file' and said['mpp'] == record['mpp']
    given = slides.predict(path, colour_predictor(SIDE), override_mpp=True, **options).record
    assert given['mpp_from'] == 'given' and given['mpp'] == [0.4, 0.4]


def test_files_are_let_go_of(path, monkeypatch):
    closed = []
    monkeypatch.setattr(OpenSlideReader, 'close', lambda self: closed.append(self))

    def failing(self, batch):
        raise RuntimeError('broken model')

    model = colour_predictor(SIDE)
    monkeypatch.setattr(type(model.classifier), 'forward', failing)
    with pytest.raises(RuntimeError, match='broken model'):
        slides.predict(path, model)
    assert len(closed) == 1
    assert torch.get_num_threads() >= 1
    assert shrunk(np.zeros((4, 4, 3), np.uint8), 2).shape == (2, 2, 3)
