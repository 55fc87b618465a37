"""The pyramid as readers of three kinds see it: Pillow's libtiff, tifffile and OpenSlide."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cite.data.synthetic.pyramid import TILE, write_pyramid

MPP = 0.75
HEIGHT, WIDTH = 1100, 1300


@pytest.fixture(scope='module')
def image() -> Any:
    """Smooth colours, so that JPEG is close to them."""
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    waves = [np.sin(x / 90), np.cos(y / 70), np.sin((x + y) / 110)]
    return (128 + 90 * np.stack(waves, -1)).astype(np.uint8)


@pytest.fixture(scope='module')
def path(image: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp('pyramid') / 'slide.tif'
    write_pyramid(file, image, MPP, 'drawn', quality=90)
    return file


def test_every_level_shows_the_image(path: Path, image: Any) -> None:
    with Image.open(path) as file:
        assert file.n_frames == 3
        for level, size in enumerate([(1300, 1100), (325, 275), (82, 69)]):
            file.seek(level)
            assert (file.size, file.mode) == (size, 'RGB')
            step = 4**level
            expected = image[step // 2 :: step, step // 2 :: step].astype(int)
            height, width = expected.shape[:2]
            error = np.abs(np.asarray(file)[:height, :width] - expected)
            assert np.median(error) <= 2
            assert np.quantile(error, 0.99) < 16


@pytest.mark.parametrize('level', [0, 1, 2])
def test_tags_tell_tiles_and_resolution(path: Path, level: int) -> None:
    with Image.open(path) as file:
        file.seek(level)
        tags = file.tag_v2
        assert (tags[322], tags[323]) == (TILE, TILE) == (256, 256)
        assert tags[254] == int(level > 0), 'a reduced image is marked as one'
        assert tags[259] == 7, 'JPEG'
        assert tags[296] == 3, 'per centimetre'
        for tag in (282, 283):
            assert 10000 / float(tags[tag]) == pytest.approx(MPP * 4**level)
        assert tags.get(270) == ('drawn' if level == 0 else None)


def test_tifffile_finds_one_pyramid(path: Path) -> None:
    tifffile = pytest.importorskip('tifffile')
    with tifffile.TiffFile(path) as file:
        (series,) = file.series
        assert [level.shape for level in series.levels] == [
            (1100, 1300, 3), (275, 325, 3), (69, 82, 3),
        ]  # fmt: skip
        assert all(page.tile == (TILE, TILE) for page in file.pages)


def test_openslide_reads_regions_of_it(path: Path) -> None:
    openslide = pytest.importorskip('openslide')
    with openslide.OpenSlide(path) as slide, Image.open(path) as file:
        assert slide.level_dimensions == ((1300, 1100), (325, 275), (82, 69))
        assert float(slide.properties['openslide.mpp-x']) == pytest.approx(MPP)
        region = np.asarray(slide.read_region((700, 200), 0, (300, 400)).convert('RGB'))
        np.testing.assert_array_equal(region, np.asarray(file)[200:600, 700:1000])


def test_an_image_within_a_tile_is_one_page(tmp_path: Path, image: Any) -> None:
    write_pyramid(tmp_path / 'small.tif', image[:200, :256], MPP, 'drawn', quality=90)
    with Image.open(tmp_path / 'small.tif') as file:
        assert (file.n_frames, file.size) == (1, (256, 200))


def test_the_same_image_is_the_same_bytes(path: Path, tmp_path: Path, image: Any) -> None:
    write_pyramid(tmp_path / 'again.tif', image, MPP, 'drawn', quality=90)
    assert (tmp_path / 'again.tif').read_bytes() == path.read_bytes()
