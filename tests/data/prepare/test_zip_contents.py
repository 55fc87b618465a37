from __future__ import annotations

import stat
import zipfile

import pytest

from cite.data.prepare import zip_contents
from cite.data.prepare.zip_contents import read_contents
from cite.errors import DataError

PATCHES = {f's{i}_{k}.jpg': bytes([i, k]) * 80 for i in range(3) for k in range(2)}


def wanted(name):
    return not name.startswith('s2')


def write(path, members):
    with zipfile.ZipFile(path, 'w') as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize(
    'name',
    [
        '../s0_9.jpg',
        'a/../../s0_9.jpg',
        '/etc/s0_9.jpg',
        '..\\s0_9.jpg',
        'C:\\s0_9.jpg',
        '../s0_9.txt',
    ],
)
def test_names_that_lead_out_are_refused(tmp_path, name):
    path = write(tmp_path / 'a.zip', {**PATCHES, name: b'x' * 200})
    with pytest.raises(DataError, match=r'a\.zip: refused, it has a name that leads out.*s0_9'):
        read_contents(path, wanted)


def test_links_giants_and_double_names_are_refused(tmp_path, monkeypatch):
    link = zipfile.ZipInfo('s0_9.jpg')
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / 'link.zip', 'w') as archive:
        archive.writestr(link, '/etc/passwd')
    with pytest.raises(DataError, match=r"a link.*'s0_9\.jpg'"):
        read_contents(tmp_path / 'link.zip', wanted)
    twice = write(tmp_path / 'twice.zip', {'a/s0_0.jpg': b'x' * 200, 'b/s0_0.jpg': b'x' * 200})
    with pytest.raises(DataError, match='one file name in two places'):
        read_contents(twice, wanted)
    monkeypatch.setattr(zip_contents, 'MAX_BYTES', 100)
    with pytest.raises(DataError, match='which is no patch'):
        read_contents(write(tmp_path / 'giant.zip', PATCHES), wanted)


def test_encrypted_members_are_refused(tmp_path):
    path = write(tmp_path / 'a.zip', {'s0_0.jpg': b'x' * 200})
    content = bytearray(path.read_bytes())
    content[6] |= 1  # the flags of the local header, and of the central directory
    content[content.index(b'PK\x01\x02') + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r'encrypted.*by hand'):
        read_contents(path, wanted)


def test_archives_that_are_not_whole(tmp_path):
    with pytest.raises(DataError, match='no such file'):
        read_contents(tmp_path / 'gone.zip', wanted)
    path = write(tmp_path / 'a.zip', PATCHES)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match=r'a\.zip: not a whole ZIP.*download it again'):
        read_contents(path, wanted)
    with pytest.raises(DataError, match=r'no patch of the slides in use \(1 other'):
        read_contents(write(tmp_path / 'other.zip', {'s2_0.jpg': b'x' * 200}), wanted)
