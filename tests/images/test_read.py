from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cite.errors import DataError
from cite.images import load_rgb


@pytest.fixture
def picture():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8))


def test_rgb_comes_back_to_the_bit_and_is_decoded(tmp_path, picture):
    picture.save(tmp_path / 'a.png')
    image = load_rgb(tmp_path / 'a.png')
    (tmp_path / 'a.png').unlink()
    assert image.mode == 'RGB'
    assert np.array_equal(np.asarray(image), np.asarray(picture))


@pytest.mark.parametrize(
    ('mode', 'suffix'), [('L', 'png'), ('1', 'png'), ('P', 'png'), ('CMYK', 'jpg')]
)
def test_other_modes_become_rgb(tmp_path, picture, mode, suffix):
    path = tmp_path / f'a.{suffix}'
    picture.convert(mode).save(path)
    image = load_rgb(path)
    assert (image.mode, image.size) == ('RGB', (30, 20))
    expected = picture.convert(mode).convert('RGB')
    assert np.abs(np.asarray(image, int) - np.asarray(expected, int)).mean() < 40


@pytest.mark.parametrize('mode', ['RGBA', 'LA'])
def test_transparent_pixels_are_white_like_an_empty_slide(tmp_path, mode):
    image = Image.new(mode, (4, 4), 0)
    image.save(tmp_path / 'a.png')
    assert np.asarray(load_rgb(tmp_path / 'a.png')).min() == 255
    image.putalpha(255)
    image.save(tmp_path / 'a.png')
    assert np.asarray(load_rgb(tmp_path / 'a.png')).max() == 0


def test_a_transparent_palette_colour_is_white(tmp_path):
    Image.new('P', (4, 4), 0).save(tmp_path / 'a.png', transparency=0)
    assert np.asarray(load_rgb(tmp_path / 'a.png')).min() == 255


@pytest.mark.parametrize('suffix', ['png', 'tif'])
def test_16_bit_keeps_its_upper_bits(tmp_path, suffix):
    values = np.array([[0, 256, 32768, 65535]], dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / f'a.{suffix}')
    assert np.asarray(load_rgb(tmp_path / f'a.{suffix}'))[0, :, 1].tolist() == [0, 1, 128, 255]


def test_values_without_a_known_range_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 4), dtype=np.float32)).save(tmp_path / 'a.tif')
    with pytest.raises(DataError, match=r'a\.tif.*floating'):
        load_rgb(tmp_path / 'a.tif')


def test_exif_orientation_does_not_turn_a_patch(tmp_path, picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / 'a.jpg', exif=exif)
    assert load_rgb(tmp_path / 'a.jpg').size == (30, 20)


def test_missing_and_foreign_files_are_named(tmp_path):
    with pytest.raises(DataError, match=r'gone\.png: no such file'):
        load_rgb(tmp_path / 'gone.png')
    with pytest.raises(DataError, match='no such file'):
        load_rgb(tmp_path)
    (tmp_path / 'text.jpg').write_text('not an image')
    with pytest.raises(DataError, match=r'text\.jpg.*cannot be read'):
        load_rgb(tmp_path / 'text.jpg')


@pytest.mark.parametrize('suffix', ['jpg', 'png', 'tif', 'webp', 'bmp'])
def test_truncated_files_are_named(tmp_path, picture, suffix):
    path = tmp_path / f'cut.{suffix}'
    picture.save(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(DataError, match=rf'cut\.{suffix}'):
        load_rgb(path)


def _png_of_size(width, height):
    """A PNG that claims a size in its header and holds next to nothing."""
    content = io.BytesIO()
    Image.new('1', (1, 1)).save(content, 'PNG')
    data = bytearray(content.getvalue())
    data[16:24] = width.to_bytes(4, 'big') + height.to_bytes(4, 'big')
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, 'big')
    return bytes(data)


@pytest.mark.parametrize('side', [9_000, 60_000])
def test_decompression_bombs_are_refused_before_decoding(tmp_path, side):
    (tmp_path / 'bomb.png').write_bytes(_png_of_size(side, side))
    with pytest.raises(DataError, match=r'bomb\.png.*too large'):
        load_rgb(tmp_path / 'bomb.png')


@pytest.mark.filterwarnings('ignore')
@settings(max_examples=40, deadline=None)
@given(data=st.data(), kind=st.sampled_from(['JPEG', 'PNG', 'TIFF', 'WEBP']))
def test_damage_is_a_data_error_or_an_image(data, kind, tmp_path_factory):
    content = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(noise).save(content, kind)
    damaged = bytearray(content.getvalue())
    for at in data.draw(st.lists(st.integers(0, len(damaged) - 1), min_size=1, max_size=6)):
        damaged[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path_factory.getbasetemp() / f'damaged.{kind}'
    path.write_bytes(damaged)
    try:
        assert load_rgb(path).mode == 'RGB'
    except DataError as error:
        assert str(path) in str(error)
