"""A whole suite with a model: good, missing and corrupt data sets, resumption."""

from __future__ import annotations

import json

import numpy as np
import pytest
from suite_trees import TREES, picture, sheet

from cite.errors import ConfigError, DataError
from cite.serving.space import load_space
from cite.zeroshot.suite import run_suite

SUITE = """
- lc25000_lung
- bach
- nct_crc
- {name: own, modality: pathology, layout: manifest, path: own/list.csv, classes: {g: gland, s: stroma},
   metric: balanced_accuracy}
- fives
"""


@pytest.fixture(scope='module')
def space():
    return load_space('tiny-tissue', device='cpu')


@pytest.fixture
def place(tmp_path):
    (tmp_path / 'suite.yaml').write_text(SUITE, encoding='utf-8')
    root = tmp_path / 'data'
    TREES['lc25000_lung'][1](root)
    picture(root / 'CRC-VAL-HE-7K/ADI/ADI-1.tif')  # all other folders are missing
    for number in range(3):
        picture(root / f'own/{number}.png', number)
    sheet(root, 'own/list.csv', 'file,label', ['0.png,g', '1.png,g', '2.png,s', '0.png,g'])
    return tmp_path


def run(place, space, **options):
    options = {'progress': False, 'precision': 'fp32', 'workers': 0, **options}
    return run_suite(place / 'suite.yaml', place / 'data', space, place / 'out', **options)


def by_name(result):
    return {one.name: one for one in result.sets}


def test_good_missing_and_corrupt(place, space):
    result = run(place, space)
    sets = by_name(result)
    assert {name: one.status for name, one in sets.items()} == {
        'lc25000_lung': 'scored',
        'bach': 'missing',
        'nct_crc': 'failed',
        'own': 'scored',
        'fives': 'missing',
    }
    assert 'looked for BACH/{Benign' in sets['bach'].reason
    assert 'missing: DEB' in sets['nct_crc'].reason
    assert result.exit_code == 1
    assert [own.of for own in result.averages] == ['2/4', '0/1']
    for name in ('suite.csv', 'suite.md', 'suite.html', 'suite.png', 'results.json'):
        assert (place / 'out' / name).stat().st_size > 0


def test_values_are_those_of_the_vectors(place, space):
    """Against classification by hand: mean of unit sentences, nearest class."""
    result = run(place, space)
    record = json.loads((place / 'out/sets/lc25000_lung.json').read_text())
    folder = place / 'data/lung_colon_image_set/lung_image_sets'
    labels = ('lung_aca', 'lung_n', 'lung_scc')
    files = [path for label in labels for path in sorted((folder / label).iterdir())]
    truth = [labels.index(path.parent.name) for path in files]
    images = space.encode_images(files, workers=0)
    classes = []
    for texts in record['asked']['classes']['texts'].values():
        mean = space.encode_text(texts).mean(axis=0)
        classes.append(mean / np.linalg.norm(mean))
    predicted = (images @ np.stack(classes).T).argmax(axis=1)
    found = by_name(result)['lc25000_lung']
    assert found.value == pytest.approx((predicted == truth).mean())
    assert (found.n, found.classes, found.prompts) == (6, 3, 'published')
    assert found.interval[0] <= found.value <= found.interval[1]


def test_an_image_that_is_listed_twice_counts_twice(place, space):
    found = by_name(run(place, space))['own']
    assert (found.n, found.majority) == (4, 0.75)


def test_what_is_done_is_not_done_again(place, space, monkeypatch):
    first = run(place, space)
    monkeypatch.setattr('cite.zeroshot.suite.scoring.zero_shot', None)  # a call would fail
    again = run(place, space)
    assert [one.kept for one in again.sets if one.status == 'scored'] == [True, True]
    assert again.sets == first.sets


def test_an_interrupted_suite_goes_on(place, space, monkeypatch):
    from cite.zeroshot.suite import run as module

    real = module.score_set

    def stop(entry, *rest):
        if entry.name == 'own':
            raise KeyboardInterrupt
        return real(entry, *rest)

    monkeypatch.setattr(module, 'score_set', stop)
    with pytest.raises(KeyboardInterrupt):
        run(place, space)
    monkeypatch.setattr(module, 'score_set', real)
    sets = by_name(run(place, space))
    assert sets['lc25000_lung'].kept and not sets['own'].kept and sets['own'].status == 'scored'


def test_what_changed_is_computed_anew(place, space):
    run(place, space)
    sheet(place / 'data', 'own/list.csv', 'file,label', ['0.png,s', '1.png,g', '2.png,s'])
    sets = by_name(run(place, space))
    assert sets['lc25000_lung'].kept and not sets['own'].kept
    assert sets['own'].n == 3
    other = by_name(run(place, space, prompts='quilt'))
    assert not other['lc25000_lung'].kept and other['lc25000_lung'].prompts == 'quilt'


def test_a_damaged_file_is_kept_for_nothing(place, space):
    first = run(place, space)
    (place / 'out/sets/own.json').write_text('{"key": ')
    assert run(place, space).sets == first.sets


def test_an_image_that_cannot_be_read(place, space):
    (place / 'data/own/1.png').write_bytes(b'no picture')
    found = by_name(run(place, space))['own']
    assert found.status == 'failed' and '1.png' in found.reason
    found = by_name(run(place, space, skip_bad=True))['own']
    assert (found.status, found.n, found.skipped) == ('scored', 3, 1)


def test_a_metric_that_is_not_defined(place, space):
    sheet(place / 'data', 'own/list.csv', 'file,label', ['0.png,g', '1.png,g'])
    text = SUITE.replace('balanced_accuracy', 'auroc')
    (place / 'suite.yaml').write_text(text)
    found = by_name(run(place, space))['own']
    assert found.status == 'failed' and 'auroc is not defined here' in found.reason


def test_nothing_at_all(tmp_path, space):
    with pytest.raises(DataError) as caught:
        run_suite('unimed21', tmp_path, space, tmp_path / 'out')
    said = str(caught.value)
    assert 'none of the 21 data sets' in said
    assert 'acl_mri: acl_mri/test_fold1.csv' in said and 'pcam: PCam_Test_preprocessed' in said
    assert not (tmp_path / 'out').exists()


def test_no_such_root_or_pooling(tmp_path, space):
    with pytest.raises(DataError, match='no such folder'):
        run_suite('unimed21', tmp_path / 'none', space, tmp_path / 'out')
    with pytest.raises(ConfigError, match="pooling 'median'"):
        run_suite('unimed21', tmp_path, space, tmp_path / 'out', pooling='median')
