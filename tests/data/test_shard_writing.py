from __future__ import annotations

import json
import tarfile

import pytest
from shard_set import number_of, picture, tensor

from cite.data import PairTable, ShardDataset, shard_writing, write_shards
from cite.errors import ConfigError, DataError


@pytest.fixture
def table(tmp_path):
    (tmp_path / 'images').mkdir()
    files = [f's{i % 2}_{i}.PNG' for i in range(5)]
    for i, file in enumerate(files):
        (tmp_path / 'images' / file).write_bytes(picture(i))
    captions = [f'Größe {i % 2}' for i in range(5)]
    slides = [file[:2] for file in files]
    return PairTable(
        files, captions, slides, tmp_path / 'images', part='train_2', split_hash='0f1e'
    )


def test_what_is_written_is_read(table, tmp_path):
    paths = write_shards(table, tmp_path / 'out', per_shard=2)
    assert [path.name for path in paths] == [f'pairs-{i:06d}.tar' for i in range(3)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ['images', 'out']
    items = list(ShardDataset(tmp_path / 'out', tensor, buffer=0))
    assert [number_of(item['image']) for item in items] == [0, 1, 2, 3, 4]
    assert [item['caption'] for item in items] == table.captions.tolist()
    with tarfile.open(paths[1]) as tar:
        assert tar.getnames() == [
            '00000002.png', '00000002.json', '00000003.png', '00000003.json',
        ]  # fmt: skip
        assert tar.extractfile('00000002.png').read() == picture(2)
        about = json.load(tar.extractfile('00000002.json'))
    assert about == {
        'caption': 'Größe 0', 'file': 's0_2.PNG', 'slide': 's0',
        'part': 'train_2', 'split_hash': '0f1e',
    }  # fmt: skip


def test_the_same_table_gives_the_same_bytes(table, tmp_path):
    one, other = (write_shards(table, tmp_path / name)[0].read_bytes() for name in 'ab')
    assert one == other


def test_held_out_pairs_stay_known(table, tmp_path):
    held_out = PairTable(table.files, table.captions, table.slides, table.root, part='val')
    write_shards(held_out, tmp_path / 'out')
    with pytest.raises(DataError, match='held out'):
        list(ShardDataset(tmp_path / 'out', tensor))


def test_nothing_is_left_where_it_fails(table, tmp_path, monkeypatch):
    def full(*_):
        raise OSError('disk full')

    monkeypatch.setattr(shard_writing, '_add', full)
    with pytest.raises(OSError, match='disk full'):
        write_shards(table, tmp_path / 'deep' / 'out')
    assert list((tmp_path / 'deep').iterdir()) == []


def test_what_cannot_be_written(table, tmp_path):
    with pytest.raises(DataError, match='images: is there already'):
        write_shards(table, tmp_path / 'images')
    with pytest.raises(ConfigError, match='per_shard'):
        write_shards(table, tmp_path / 'out', 0)
    (tmp_path / 'images' / 's0_0.PNG').unlink()
    with pytest.raises(DataError, match=r's0_0\.PNG'):
        write_shards(table, tmp_path / 'out')
    (tmp_path / 'images' / 'x.doc').touch()
    with pytest.raises(DataError, match=r'\.doc'):
        write_shards(PairTable(['x.doc'], ['x'], ['s'], tmp_path / 'images'), tmp_path / 'out')
    (tmp_path / 'empty').mkdir()
    assert write_shards(table.subset([1]), tmp_path / 'empty')[0].is_file()
