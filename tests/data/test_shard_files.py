from __future__ import annotations

import gzip
import tarfile

import pytest
from shard_set import picture, shard_set, write_tar

from cite.data import shard_files
from cite.data.shard_files import read_shard, shard_paths
from cite.errors import ConfigError, DataError


def test_shards_are_found_by_folder_pattern_and_name(tmp_path):
    shard_set(tmp_path, [1] * 12)
    (tmp_path / 'notes.txt').touch()
    everything = shard_paths(tmp_path)
    assert [p.name for p in everything] == [f'pairs-{i:06d}.tar' for i in range(12)]
    assert shard_paths(str(tmp_path / 'pairs-{000000..000011}.tar')) == everything
    assert shard_paths(str(tmp_path / 'pairs-0000{0..1}{0..1}.tar'))[-1].name == 'pairs-000011.tar'
    assert shard_paths(reversed(everything)) == everything


@pytest.mark.parametrize(
    ('shards', 'error', 'message'),
    [
        ('pairs-{000000..000013}.tar', DataError, r'not there: .*000012\.tar, .*000013\.tar$'),
        ('pairs-{5..3}.tar', ConfigError, 'a range goes up'),
        ('pairs-{0..99999999}.tar', ConfigError, '100000 shards at most'),
        ('empty', DataError, 'no shards'),
        (['pairs-000000.tar', 'pairs-{000000..000001}.tar'], ConfigError, 'more than once'),
        ([], DataError, 'none given'),
    ],
)
def test_shards_that_cannot_be(tmp_path, shards, error, message):
    shard_set(tmp_path, [1] * 12)
    (tmp_path / 'empty').mkdir()
    names = [shards] if isinstance(shards, str) else shards
    with pytest.raises(error, match=message):
        shard_paths([tmp_path / name for name in names])


def test_members_of_one_name_are_a_pair(tmp_path):
    path = tmp_path / 'a.tar'
    members = {
        '../../b.jpg': b'B', 'c/x.JPEG': b'C', 'c/x.txt': 'text', 'c/x.json': {'caption': 'no'},
        '../../b.json': {'caption': 'yes'}, '._c.jpg': b'', 'd.cls': b'', 'e.seg.png': b'',
    }  # fmt: skip
    write_tar(path, members)
    samples, bad = read_shard(path)
    content = path.read_bytes()
    got = {
        s.key: (content[s.image.start :][: s.image.size], s.is_json, s.caption.size)
        for s in samples
    }
    assert got == {'a.tar/../../b': (b'B', True, 18), 'a.tar/c/x': (b'C', False, 4)}
    assert bad == []


def test_what_is_wrong_is_told_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(shard_files, 'MAX_IMAGE_BYTES', 100)
    members = {
        'a.jpg': b'A', 'b.txt': 'b', 'c.jpg': b'C', 'c.png': b'C', 'c.txt': 'c',
        'd.jpg': bytes(101), 'd.txt': 'd', 'e.jpg': b'E', 'e.txt': 'x' * (2**20 + 1),
        'f.jpg': bytes(100), 'f.txt': 'x' * 2**20,
    }  # fmt: skip
    write_tar(tmp_path / 's.tar', members)
    samples, bad = read_shard(tmp_path / 's.tar')
    assert [sample.name for sample in samples] == ['f']
    assert bad == [
        's.tar/a (no caption)', 's.tar/b (0 images)', 's.tar/c (2 images)',
        's.tar/d (an image of 101 bytes)', 's.tar/e (a caption of more than 1 MiB)',
    ]  # fmt: skip


def test_links_and_folders_are_passed_over(tmp_path):
    with tarfile.open(tmp_path / 's.tar', 'w') as tar:
        for name, kind in (('a.jpg', tarfile.SYMTYPE), ('b.jpg', tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, '/etc/passwd'
            tar.addfile(info)
    assert read_shard(tmp_path / 's.tar') == ([], [])


def test_a_shard_cut_anywhere_is_named(tmp_path):
    write_tar(tmp_path / 'whole.tar', {'a.png': picture(1), 'a.txt': 'one', 'b.png': picture(2)})
    whole = (tmp_path / 'whole.tar').read_bytes()
    end = 5 * 512 + 512  # three headers, three contents of less than a block
    cut = tmp_path / 'cut.tar'
    for length in (0, 1, 511, 512, 600, 1024, 1536, 2560, end - 1, end, end + 100):
        cut.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r'cut\.tar: truncated'):
            read_shard(cut)
    cut.write_bytes(whole[: end + 512])
    assert len(read_shard(cut)[0]) == 1


def test_damaged_headers_and_other_files(tmp_path):
    write_tar(tmp_path / 's.tar', {'a.png': picture(1), 'a.txt': 'one', 'b.png': picture(2)})
    content = bytearray((tmp_path / 's.tar').read_bytes())
    content[1024 + 148 : 1024 + 156] = b'garbage!'  # the checksum of the second header
    (tmp_path / 'bad.tar').write_bytes(content)
    (tmp_path / 'gz.tar').write_bytes(gzip.compress((tmp_path / 's.tar').read_bytes()))
    for name, message in (('bad', 'damaged at byte 1024'), ('gz', 'not an uncompressed tar')):
        with pytest.raises(DataError, match=rf'{name}\.tar: .*{message}'):
            read_shard(tmp_path / f'{name}.tar')
