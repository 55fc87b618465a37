"""A folder is searched by text and by image; what was computed is kept."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest

from cite.demo.retrieval import search_folder
from cite.errors import ConfigError, DataError
from cite.images import load_rgb


@pytest.fixture(scope='module')
def folder(demo_files, tmp_path_factory):
    copy = tmp_path_factory.mktemp('searched') / 'images'
    shutil.copytree(demo_files / 'images', copy)
    (copy / 'broken.jpg').write_bytes(b'no image')
    return copy


@pytest.fixture(scope='module')
def searched(demo_models, folder):
    space = demo_models.spaces['tiny-tissue']
    return search_folder(folder, space, folder.parent / 'kept', progress=False)


def test_an_image_finds_itself_first(searched, folder):
    answer = searched.ask(None, load_rgb(folder / 'sub/2.png'), 'mine.png', 3)
    assert [hit.rank for hit in answer.hits] == [1, 2, 3]
    assert searched.index.names[answer.hits[0].row] == 'sub/2.png'
    assert answer.hits[0].cosine == pytest.approx(1, abs=1e-4)
    assert searched.skipped == 1


def test_a_text_finds_by_cosine(searched, demo_models):
    answer = searched.ask(' necrosis\n', None, '', 48)
    space = demo_models.spaces['tiny-tissue']
    images = space.encode_images(list(searched.index.files))
    wanted = images @ space.encode_text(['necrosis'])[0]
    rows = [hit.row for hit in answer.hits]
    assert len(rows) == 4 and rows == np.argsort(-wanted).tolist()
    assert [hit.cosine for hit in answer.hits] == pytest.approx(wanted[rows].tolist(), abs=1e-4)


def test_hits_are_small_pictures_and_a_table(searched, tmp_path):
    answer = searched.ask('glands', None, '', 2)
    shown = searched.thumbnails(answer)
    assert all(max(picture.size) <= 320 for picture, _ in shown)
    assert shown[0][1].startswith(f'1 · cosine {answer.hits[0].cosine:.3f}')
    searched.write_csv(answer, tmp_path / 'hits.csv')
    with (tmp_path / 'hits.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert [row['hit'] for row in rows] == [searched.index.names[h.row] for h in answer.hits]


@pytest.mark.parametrize(('text', 'k'), [('', 3), ('x' * 10_000, 3), ('a', 0), ('a', 'all')])
def test_what_cannot_be_searched_is_told(searched, text, k):
    with pytest.raises(ConfigError):
        searched.ask(text, None, '', k)


def test_features_are_kept_for_the_next_start(demo_models, folder, searched, monkeypatch):
    from cite.inference import extraction

    def never(*args, **options):
        raise AssertionError('computed again')

    monkeypatch.setattr(extraction, 'outputs', never)
    again = search_folder(
        folder, demo_models.spaces['tiny-tissue'], folder.parent / 'kept', progress=False
    )
    assert again.index.names == searched.index.names


def test_folders_without_images_are_told(demo_models, tmp_path):
    space = demo_models.spaces['tiny-tissue']
    with pytest.raises(DataError, match='no images'):
        search_folder(tmp_path, space, tmp_path / 'kept')
    (tmp_path / 'a.png').write_text('broken')
    with pytest.raises(DataError, match='none of the 1'):
        search_folder(tmp_path, space, tmp_path / 'kept', progress=False)
