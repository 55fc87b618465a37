from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cite.errors import ConfigError
from cite.images.contact_sheet import Cell, Row, contact_sheet

RED = (255, 0, 0)


def plain(colour=RED, size=(40, 40)):
    return Image.new('RGB', size, colour)


def share(sheet, colour):
    return (np.asarray(sheet) == colour).all(-1).mean()


def test_pictures_come_in_order_and_are_broken_into_lines():
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255)]
    sheet = contact_sheet([Row('', [Cell(plain(c)) for c in colours])], side=64, columns=2)
    pixels = np.asarray(sheet)
    places = [np.argwhere((pixels == colour).all(-1)).mean(0) for colour in colours]
    assert places[0][1] < places[1][1] and places[0][0] == places[1][0]  # side by side
    assert places[2][0] > places[0][0] and places[2][1] == places[0][1]  # next line


def test_shape_is_kept_and_small_pictures_are_enlarged():
    sheet = np.asarray(contact_sheet([Row('', [Cell(plain(size=(20, 10)))])], side=64))
    rows, columns = np.nonzero((sheet == RED).all(-1))
    assert np.ptp(columns) + 1 == 64 and np.ptp(rows) + 1 == 32


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    bad = tmp_path / 'bad.png'
    bad.write_bytes(b'')
    plain().save(tmp_path / 'good.png')
    rows = [Row('a', [Cell(bad, 'bad'), Cell(tmp_path / 'good.png', 'good')])]
    sheet = contact_sheet(rows, side=64)
    assert share(sheet, (0xE6, 0xE6, 0xE6)) > 0.02 and share(sheet, RED) > 0.02


def test_frame_heading_and_caption_leave_ink():
    bare = contact_sheet([Row('', [Cell(plain())])], side=64)
    full = contact_sheet([Row('heading', [Cell(plain(), 'caption', '#0072B2')])], side=64)
    assert share(bare, (0x00, 0x72, 0xB2)) == 0 < share(full, (0x00, 0x72, 0xB2))
    assert full.height > bare.height


def test_long_texts_do_not_make_it_large():
    short = contact_sheet([Row('a', [Cell(plain(), 'b')])], title='c', side=64)
    text = 'word ' * 100_000 + 'x' * 100_000
    long = contact_sheet([Row(text, [Cell(plain(), text)])], title=text, side=64)
    assert long.width == short.width and long.height < 3 * short.height


@pytest.mark.parametrize('mode', ['L', 'CMYK', 'I;16', 'P', 'RGBA'])
def test_every_kind_of_picture(tmp_path, mode):
    path = tmp_path / 'a.tif'
    (Image.new('I;16', (8, 8), 300) if mode == 'I;16' else plain().convert(mode)).save(path)
    contact_sheet([Row('', [Cell(path)])], side=32)


def test_same_pixels():
    rows = [Row('a', [Cell(plain(), 'b')])]
    assert contact_sheet(rows).tobytes() == contact_sheet(rows).tobytes()


@pytest.mark.parametrize('rows, side', [([], 64), ([Row('a', [])], 8)])
def test_nothing_to_draw(rows, side):
    with pytest.raises(ConfigError, match='a contact sheet needs'):
        contact_sheet(rows, side=side)


def test_a_file_name_keeps_its_end():
    from cite.images.contact_sheet import SMALL, _font, _shortened

    names = [f'0f98b85657b200ce245072147c09a435_{number}.jpg' for number in range(3)]
    shown = [_shortened(name, 160) for name in names]
    assert len(set(shown)) == 3 and all(text.endswith('.jpg') for text in shown)
    assert all(_font(SMALL).getlength(text) <= 160 for text in shown)
    assert _shortened('short.jpg', 160) == 'short.jpg'
