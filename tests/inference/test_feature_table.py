from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_models import tiny_tower
from torch import nn

from cite.errors import CiteError, ConfigError, DataError
from cite.inference import extract, read_features

COUNT = 5


@pytest.fixture(scope='module')
def tower():
    return tiny_tower().eval()


@pytest.fixture(scope='module')
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('patches')
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 40, 40, 3), dtype=np.uint8)
    paths = [folder / f'{number:02}.png' for number in range(COUNT)]
    for path, array in zip(paths, pixels, strict=True):
        Image.fromarray(array).save(path)
    return paths


@pytest.mark.parametrize('suffix', ['.npy', '.npz', '.safetensors', '.parquet'])
def test_what_was_written_is_read_again(tower, files, tmp_path, suffix):
    names = [f'slide/{file.name}' for file in files]
    found = extract(tower, files, tmp_path / f'a{suffix}', names=names)
    table = read_features(found.out)
    np.testing.assert_allclose(table.features, tower.encode_images(files), atol=1e-5)
    assert table.features.dtype == np.float32 and table.names == names and len(table) == COUNT
    assert table.record == found.record


def test_npy_is_not_read_as_a_whole(tower, files, tmp_path):
    extract(tower, files, tmp_path / 'a.npy')
    assert isinstance(read_features(tmp_path / 'a.npy').features, np.memmap)


def test_rows_by_name(tower, files, tmp_path):
    extract(tower, files, tmp_path / 'a.npy', names=list('abcde'))
    table = read_features(tmp_path / 'a.npy')
    assert table.rows_of(['d', 'a']).tolist() == [3, 0]
    with pytest.raises(DataError, match=r'lack 1 of 2 images: z\.'):
        table.rows_of(['a', 'z'])


def test_features_of_other_programs(tmp_path):
    np.save(tmp_path / 'a.npy', np.arange(6, dtype=np.float64).reshape(3, 2))
    table = read_features(tmp_path / 'a.npy')
    assert table.names == ['0', '1', '2'] and table.record == {}
    assert table.features.dtype == np.float32


def test_a_projection_follows_the_tower(tower, files, tmp_path):
    torch.manual_seed(0)
    after = nn.Linear(tower.feature_dim, 7, bias=False)
    found = extract(tower, files, tmp_path / 'a.npy', after=after)
    expected = torch.from_numpy(tower.encode_images(files)) @ after.weight.T
    np.testing.assert_allclose(
        read_features(found.out).features, expected.detach().numpy(), atol=1e-4
    )
    assert found.record['feature_dim'] == 7
    # other weights are another question
    nn.init.zeros_(after.weight)
    extract(tower, files, tmp_path / 'a.npy', after=after)
    assert not read_features(tmp_path / 'a.npy').features.any()


def _pickled(path):
    np.save(path, np.array([{'a': 1}], dtype=object), allow_pickle=True)


def _flat(path):
    np.save(path, np.zeros(3, np.float32))


def _whole_numbers(path):
    np.save(path, np.zeros((3, 2), np.int64))


@pytest.mark.parametrize(
    ('write', 'expected'),
    [
        (_pickled, 'cannot be read'),
        (_flat, r'shape \(rows, D\), found float32 of \(3,\)'),
        (_whole_numbers, 'found int64'),
        (lambda path: path.write_bytes(b''), 'cannot be read'),
        (lambda path: path.write_bytes(b'not an array'), 'cannot be read'),
        (lambda path: None, 'no such file'),
    ],
)
def test_bad_files(tmp_path, write, expected):
    path = tmp_path / 'a.npy'
    write(path)
    with pytest.raises(DataError, match=expected):
        read_features(path)


@pytest.mark.parametrize('suffix', ['.npz', '.safetensors', '.parquet'])
def test_other_damaged_files(tmp_path, suffix):
    path = tmp_path / f'a{suffix}'
    path.write_bytes(b'PK\x03\x04 nothing of the kind')
    with pytest.raises(DataError, match='cannot be read'):
        read_features(path)


def test_unknown_format(tmp_path):
    with pytest.raises(ConfigError, match=r'\.npy'):
        read_features(tmp_path / 'a.pkl')


def test_cut_file_and_other_table(tower, files, tmp_path):
    out = tmp_path / 'a.npy'
    extract(tower, files, out)
    np.save(out, np.load(out)[:-1])
    with pytest.raises(CiteError, match='cut off or others'):
        read_features(out)
    (tmp_path / 'a.npy.json').write_text(json.dumps({}))
    with pytest.raises(DataError, match='4 rows, but 5 names'):
        read_features(out)


def test_names_of_a_folder_from_another_place(tower, files, tmp_path):
    stored = ['tiles/a/0.png', 'tiles/a/1.png', 'tiles/b/0.png', 'tiles/b/1.png', 'other.png']
    extract(tower, files, tmp_path / 'a.npy', names=stored)
    table = read_features(tmp_path / 'a.npy')
    assert table.rows_of(['b/1.png', 'a/0.png']).tolist() == [3, 0]
    # bare names could be of any folder, and one that is missing must not hide behind the others
    for names in (['0.png'], ['b/1.png', 'c/0.png'], ['x/other.png']):
        with pytest.raises(DataError, match='lack'):
            table.rows_of(names)
