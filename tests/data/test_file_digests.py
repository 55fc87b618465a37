"""Files are read once, and again when they change."""

from __future__ import annotations

import hashlib
import os

import pytest

from cite.data import file_digests as module
from cite.data.file_digests import file_digests
from cite.errors import DataError
from cite.paths import cache_dir


@pytest.fixture
def files(tmp_path):
    paths = [tmp_path / name for name in 'abc']
    for path in paths:
        path.write_bytes(path.name.encode() * 50)
    return paths


@pytest.fixture
def read(monkeypatch):
    seen = []
    real = module.file_digest
    monkeypatch.setattr(module, 'file_digest', lambda path: (seen.append(path.name), real(path))[1])
    return seen


def test_digests_are_sha256_and_remembered(files, tmp_path, read):
    expected = [hashlib.sha256(path.read_bytes()).hexdigest() for path in files]
    assert file_digests(files, tmp_path) == expected
    assert sorted(read) == ['a', 'b', 'c']
    read.clear()
    assert file_digests(files[::-1], tmp_path) == expected[::-1]
    assert read == []


def test_a_changed_file_is_read_again(files, tmp_path, read):
    file_digests(files, tmp_path)
    read.clear()
    files[1].write_bytes(b'other')
    assert file_digests(files, tmp_path)[1] == hashlib.sha256(b'other').hexdigest()
    assert read == ['b']
    os.utime(files[2], ns=(1, 1))  # as large as before, and maybe another
    file_digests(files, tmp_path)
    assert read == ['b', 'c']


@pytest.mark.parametrize('content', ['', '[1]', '{"x": 3}'])
def test_a_damaged_record_costs_reading_again(files, tmp_path, read, content):
    first = file_digests(files, tmp_path)
    for record in (cache_dir() / 'digests').iterdir():
        record.write_text(content)
    assert file_digests(files, tmp_path) == first
    assert len(read) == 6


def test_a_missing_file_is_named(files, tmp_path):
    files[0].unlink()
    with pytest.raises(DataError, match=str(files[0])):
        file_digests(files, tmp_path)
