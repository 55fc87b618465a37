"""What was planted in a raw collection is what is found."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
from PIL import Image
from raw_collection import write_examples, write_raw

from cite.errors import ConfigError
from cite.quality import Material, build_filter, read_collection, run_filters, write_outcome
from cite.quality.page import write_page

pytest.importorskip('py3langid')


@pytest.fixture(scope='module')
def made(tmp_path_factory):
    """The collection, and the run of all filters that need no model."""
    root = tmp_path_factory.mktemp('raw')
    raw = write_raw(root)
    positives, negatives = write_examples(root / 'examples')
    material = Material(read_collection(raw.manifest), root / 'cache', progress=False)
    filters = [build_filter(name) for name in ('language', 'question', 'duplicates', 'unreadable')]
    filters.append(build_filter('pathology', positives=positives, negatives=negatives, by='colour'))
    return raw, run_filters(material, filters)


def dropped_by(outcome, name):
    step = next(step for step in outcome.steps if step.filter.name == name)
    return {outcome.collection.names[row] for row in step.rows[~step.verdict.keep]}


def test_each_filter_drops_what_was_planted_for_it(made):
    raw, outcome = made
    for name in ('unreadable', 'question', 'language'):
        assert dropped_by(outcome, name) == raw.files(name)
    assert dropped_by(outcome, 'pathology') == raw.files('other')
    kept = {outcome.collection.names[row] for row in outcome.kept}
    assert kept | dropped_by(outcome, 'duplicates') == raw.files('good', 'odd', 'duplicate')


def test_of_duplicates_the_first_by_name_stays_and_is_named(made):
    _, outcome = made
    step = next(step for step in outcome.steps if step.filter.name == 'duplicates')
    matches = {
        outcome.collection.names[step.rows[place]]: match.name
        for place, match in step.verdict.matches.items()
    }
    assert matches == {
        'images/turned.png': 'images/a00.png',
        'images/mirrored.jpg': 'images/a01.png',
        'images/grey.png': 'images/deep16.png',
    }
    details = dict(zip(step.rows.tolist(), step.verdict.details, strict=True))
    row = list(outcome.collection.names).index('images/turned.png')
    assert details[row] == 'with another caption'


def test_a_larger_picture_stays_whatever_its_name(tmp_path):
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).resize((80, 80))
    small.save(tmp_path / 'a.png')
    small.resize((160, 160)).transpose(Image.Transpose.ROTATE_270).save(tmp_path / 'b.png')
    material = Material(read_collection(tmp_path), progress=False)
    outcome = run_filters(material, [build_filter('duplicates')])
    assert [outcome.collection.names[row] for row in outcome.kept] == ['b.png']


def test_a_good_caption_is_not_lost_to_a_bad_one_of_the_same_picture(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    for name in ('a.png', 'b.png'):
        Image.fromarray(noise).save(tmp_path / name)
    manifest = tmp_path / 'm.csv'
    manifest.write_text(
        'file,caption\na.png,Which tumour is it?\nb.png,A schwannoma of the neck.\n'
    )
    material = Material(read_collection(manifest), progress=False)
    named = ('duplicates', 'question')  # in whatever order they are named
    outcome = run_filters(material, [build_filter(name) for name in named])
    assert outcome.kept.tolist() == [1]


def test_lists_and_page_hold_all_rows_and_are_the_same_again(made, tmp_path):
    raw, outcome = made
    written = []
    for folder in (tmp_path / 'one', tmp_path / 'two'):
        write_outcome(outcome, folder, clean_captions=True)
        write_page(outcome, folder)
        files = sorted(path for path in folder.rglob('*') if path.is_file())
        written.append({path.relative_to(folder): path.read_bytes() for path in files})
    assert written[0] == written[1]
    with (tmp_path / 'one/kept.csv').open(newline='', encoding='utf-8') as file:
        kept = list(csv.DictReader(file))
    with (tmp_path / 'one/dropped.csv').open(newline='', encoding='utf-8') as file:
        dropped = list(csv.DictReader(file))
    assert list(kept[0]) == ['file', 'caption', 'kind', 'caption_clean']
    assert {row['kind'] for row in kept} <= {'good', 'odd'}
    assert len(kept) + len(dropped) == len(outcome.collection)
    results = json.loads((tmp_path / 'one/results.json').read_text('utf-8'))
    assert sum(one['dropped'] for one in results['filters']) == len(dropped)
    measured = results['filters'][-1]['about']['measured']
    assert measured['positives'] == 12 and measured['recall'] is not None
    page = (tmp_path / 'one/quality.html').read_text('utf-8')
    for text in ('What is your diagnosis?', 'likeliest: de', 'stained', 'data:image/png'):
        assert (text in page) == (text != 'stained')
    assert page.count('<img') >= 6  # funnel, three sheets, histograms
    assert raw.manifest.is_file() and (raw.manifest.parent / 'images/empty.jpg').is_file()


def test_a_file_that_is_listed_twice_is_a_duplicate_of_itself(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / 'a.png')
    manifest = tmp_path / 'm.csv'
    manifest.write_text(
        'file,caption\na.png,A schwannoma of the neck.\na.png,Antoni A areas in it.\n'
    )
    material = Material(read_collection(manifest), progress=False)
    outcome = run_filters(material, [build_filter('duplicates')])
    assert outcome.kept.tolist() == [0] and len(material.looks) == 2


def test_captions_are_asked_for_before_any_work(tmp_path):
    Image.new('RGB', (80, 80)).save(tmp_path / 'a.png')
    material = Material(read_collection(tmp_path), progress=False)
    for names in (['question'], ['duplicates', 'language'], ['duplicate_captions']):
        with pytest.raises(ConfigError, match=r'reads captions.*--captions-column'):
            run_filters(material, [build_filter(name) for name in names])
    with pytest.raises(ConfigError, match='each once'):
        run_filters(material, [build_filter('duplicates')] * 2)


def test_duplicate_captions_keep_as_many_as_are_allowed(tmp_path):
    manifest = tmp_path / 'm.csv'
    texts = ['Same text.', 'same  TEXT', 'Another.', 'Same text']
    rows = [f'{name}.png,{text}' for name, text in zip('dcba', texts, strict=True)]
    manifest.write_text('file,caption\n' + '\n'.join(rows) + '\n')
    material = Material(read_collection(manifest), progress=False)
    for most, kept in ((1, [2, 3]), (2, [1, 2, 3]), (3, [0, 1, 2, 3])):
        outcome = run_filters(material, [build_filter('duplicate_captions', most=most)])
        assert outcome.kept.tolist() == kept


def test_filters_are_found_by_name():
    with pytest.raises(ConfigError, match="Did you mean 'duplicates'"):
        build_filter('duplicate')
    with pytest.raises(ConfigError, match="no option 'least_sides'"):
        build_filter('unreadable', least_sides=3)
