from __future__ import annotations

import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from made_results import made, shares
from PIL import Image

from cite.pages.html import render_html
from cite.slides.outputs.pdf import write_pdf
from cite.slides.outputs.report import report
from cite.slides.outputs.sheet import tile_sheet
from cite.slides.outputs.summary import NOTICE, summary
from cite.slides.uncertainty import uncertainty

RECORD = {
    'mpp_from': 'given',
    'least_tissue': 0.5,
    'least_sharpness': 0.02,
    'tile_size': 224,
    'tile_mpp': 0.5,
    'overlap': 0,
    'aggregation': 'mean',
    'model': 'some-model',
    'adapter': 'adapter.safetensors',
    'adapter_digest': 'abcdef' * 10,
    'enlarged': 2.0,
    'versions': {'cite': '1'},
}


def page_of(result, folder):
    about = summary(result, uncertainty(result))
    files = [(name, f'heatmap_{at}.png') for at, name in enumerate(result.classes)]
    for name in ['heatmap.png', 'tiles.png', *(file for _, file in files)]:
        Image.new('RGB', (8, 8)).save(folder / name)
    return about, unescape(render_html(report(about, files), folder))


def test_the_page_says_result_reasons_and_what_it_is_for(tmp_path):
    scores = shares(20)
    rows = np.delete(np.arange(20), [3, 7, 11])
    result = replace(
        made(scores, 4, 5, record=RECORD, classes=('<b>first', 'second', 'third')),
        rows=rows,
        scores=scores[rows],
        blurred=np.array([3, 7]),
        damaged={11: 'cut off'},
    )
    about, page = page_of(result, tmp_path)
    words = re.sub(r'<[^<>]*>', ' ', page.replace('<b>first', 'FIRST'))
    assert words.count(NOTICE) == 2
    label = about['label'].replace('<b>first', 'FIRST')
    assert f'Most probable: {label}, {about["probabilities"][about["label"]]:.3f}' in words
    assert re.search(r'blurred \(sharpness below 0.02\)\s+2\s', words)
    assert re.search(r'damaged\s+1\s', words) and 'cut off' in words
    assert re.search(r'shown to the model\s+17\s', words)
    assert 'No interval' in words and 'enlarged by 2.00' in words
    assert 'as given' in words and 'some-model' in words and 'abcdefabcdefabcd…' in words


def test_class_names_are_text_not_markup(tmp_path):
    result = made(shares(20), 4, 5, record=RECORD, classes=('<script>x</script>', 'b', 'c'))
    about = summary(result, uncertainty(result))
    for name in ('heatmap.png', 'tiles.png', 'h.png'):
        Image.new('RGB', (8, 8)).save(tmp_path / name)
    page = render_html(report(about, [('<script>x</script>', 'h.png')]), tmp_path)
    assert '<script>x' not in page and '&lt;script&gt;x' in page


def test_intervals_stand_in_the_table_where_there_are_some(tmp_path):
    result = made(shares(1600), 40, 40, record=RECORD)
    about, page = page_of(result, tmp_path)
    low, high = about['uncertainty']['low']['a'], about['uncertainty']['high']['a']
    assert f'{low:.3f} – {high:.3f}' in page and 'block bootstrap' in page


def test_the_pdf_has_two_pages_and_repeats(tmp_path):
    result = made(shares(20), 4, 5, record=RECORD, classes=('a' * 150, 'b $x$', 'c'))
    about = summary(result, uncertainty(result))
    for name in 'ab':
        picture = Image.new('RGB', (300, 900), '#a05080')
        write_pdf(tmp_path / name, about, picture, picture)
    content = (tmp_path / 'a').read_bytes()
    assert content == (tmp_path / 'b').read_bytes()
    assert content.startswith(b'%PDF') and re.search(rb'/Count 2\b', content)


@pytest.mark.parametrize(('tiles', 'each'), [(20, 8), (3, 1), (1, 1)])
def test_the_sheet_shows_the_tiles_of_highest_and_lowest_probability(tiles, each, monkeypatch):
    result = made(shares(tiles), 1, tiles)
    seen = []
    monkeypatch.setattr(
        'cite.slides.outputs.sheet.read_tile',
        lambda slide, grid, number: (seen.append(number), Image.new('RGB', (224, 224)))[1],
    )
    tile_sheet(None, result, [1])
    order = np.argsort(result.scores[:, 1])
    assert seen == [*order[::-1][:each], *order[:each]]
