"""What people put into the page is checked on the server, and told in one line."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from cite.demo import Settings
from cite.demo.inputs import (
    LONGEST_TEXT,
    MOST_CLASSES,
    chosen,
    class_lines,
    one_text,
    read_picture,
    resolution,
)
from cite.demo.messages import DEFECT, one_line, told
from cite.errors import CiteError, ConfigError, DataError


def picture(folder, name, **options):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / name, **options)
    return folder / name, pixels


@pytest.mark.parametrize('name', ['a.png', 'a.tif', 'a.bmp'])
def test_a_picture_comes_as_its_pixels(tmp_path, name):
    path, pixels = picture(tmp_path, name)
    assert np.array_equal(np.asarray(read_picture(path)), pixels)


def test_a_gif_is_refused_whatever_it_is_called(tmp_path):
    path, _ = picture(tmp_path, 'a.gif')
    renamed = tmp_path / 'b.png'
    renamed.write_bytes(path.read_bytes())
    for file in (path, renamed):
        with pytest.raises(DataError, match='GIF'):
            read_picture(file)


def test_no_picture_a_cut_one_and_none_at_all(tmp_path):
    whole, _ = picture(tmp_path, 'a.png')
    cut = tmp_path / 'cut.png'
    cut.write_bytes(whole.read_bytes()[:2000])
    text = tmp_path / 'text.jpg'
    text.write_text('no picture')
    for path, said in ((cut, 'cut.png'), (text, 'text.jpg'), (None, 'no image yet')):
        with pytest.raises(DataError, match=said) as caught:
            read_picture(path)
        assert str(tmp_path) not in str(caught.value)  # a user knows nothing of our folders


def test_other_decoders_than_those_of_patches_are_not_reached(tmp_path):
    content = io.BytesIO()
    Image.new('RGB', (8, 8)).save(content, 'PPM')
    path = tmp_path / 'a.png'
    path.write_bytes(content.getvalue())
    with pytest.raises(DataError, match='expected JPEG'):
        read_picture(path)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path):
    path = tmp_path / 'bomb.png'
    Image.new('1', (20000, 20000)).save(path)
    with pytest.raises(DataError, match='too large'):
        read_picture(path)


def test_classes_are_lines():
    found = class_lines(' tumour: carcinoma cells\n\n normal ')
    assert found.names == ('tumour', 'normal')
    assert found.texts == (('carcinoma cells',), ('normal',))


@pytest.mark.parametrize(
    'text',
    [
        None,
        '  \n ',
        'one',
        'a\na',
        'a: x\na: y\nb',
        'a:\nb',
        'x' * 10_000,
        'a\n' + 'b' * (LONGEST_TEXT + 1),
        '\n'.join(map(str, range(MOST_CLASSES + 1))),
        7,
    ],
)
def test_other_classes_are_told(text):
    with pytest.raises(ConfigError):
        class_lines(text)


@pytest.mark.parametrize('text', [None, ' \n', 'x' * 10_000, ['a']])
def test_other_texts_are_told(text):
    with pytest.raises(ConfigError):
        one_text(text)


def test_resolutions_may_have_a_comma_and_must_be_possible():
    assert resolution(' 0,25 ', 'x') == 0.25
    assert resolution('', 'x') is None and resolution(None, 'x') is None
    for value in ('0', '-1', 'nan', 'inf', '1e9', 'twenty', '100'):
        with pytest.raises(ConfigError, match='resolution of the slide'):
            resolution(value, 'resolution of the slide')


def test_only_what_is_on_offer_can_be_chosen():
    assert chosen('a', {'a': 1}, 'model') == 'a'
    for name in ('/etc/passwd', None, ['a'], 'A'):
        with pytest.raises(ConfigError, match='choose one of a'):
            chosen(name, ['a'], 'model')


def test_errors_are_messages_without_markup_or_traceback(caplog):
    gr = pytest.importorskip('gradio')

    def fail(error):
        raise error

    with pytest.raises(gr.Error) as caught:
        told(fail)(CiteError('class <img src=x>\nis not there'))
    assert caught.value.message == 'class &lt;img src=x&gt; is not there'
    with pytest.raises(gr.Error) as caught:
        told(fail)(ZeroDivisionError('a secret of the code'))
    assert caught.value.message == DEFECT
    assert 'a secret of the code' in caplog.text  # for whoever started it
    assert len(one_line(CiteError('x' * 5000))) < 1000


@pytest.mark.parametrize(
    'options', [{'port': 70000}, {'port': -1}, {'max_upload_mb': 0}, {'folder': 'nowhere'}]
)
def test_settings_that_cannot_be(options, tmp_path):
    if 'folder' in options:
        options = {'folder': tmp_path / 'nowhere'}
    with pytest.raises(ConfigError, match='--'):
        Settings(**options)


def test_which_addresses_are_local():
    local = ('127.0.0.1', '127.0.0.2', '::1', 'localhost')
    assert all(Settings(host=host).is_local for host in local)
    assert not any(Settings(host=host).is_local for host in ('0.0.0.0', '192.168.1.4', 'a.org'))
