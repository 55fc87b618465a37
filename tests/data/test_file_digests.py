"""Files are read once, and again when they change."""

from __future__ import annotations

import hashlib
import os

import pytest
from PIL import Image

from cite.data import file_digests as module
from cite.data import read_patches
from cite.data.file_digests import file_digests
from cite.errors import DataError
from cite.paths import cache_dir


@pytest.fixture
def table(tmp_path):
    for number, label in enumerate('abc'):
        (tmp_path / label).mkdir()
        Image.new('RGB', (8, 8), (number, 0, 0)).save(tmp_path / label / f'{label}_0.png')
    return read_patches(tmp_path)


@pytest.fixture
def read(monkeypatch):
    seen = []
    real = module.read_content
    monkeypatch.setattr(
        module, 'read_content', lambda path: (seen.append(path.name[0]), real(path))[1]
    )
    return seen


def hexes(table):
    return [digest.tobytes().hex() for digest in file_digests(table)]


def test_digests_are_sha256_and_remembered(table, read):
    expected = [hashlib.sha256(table.path(row).read_bytes()).hexdigest() for row in range(3)]
    assert hexes(table) == expected
    assert sorted(read) == ['a', 'b', 'c']
    read.clear()
    assert hexes(table) == expected
    assert read == []


def test_a_changed_file_is_read_again(table, read):
    hexes(table)
    read.clear()
    table.path(1).write_bytes(b'other')
    assert hexes(table)[1] == hashlib.sha256(b'other').hexdigest()
    assert read == ['b']
    os.utime(table.path(2), ns=(1, 1))  # as large as before, and maybe another
    hexes(table)
    assert read == ['b', 'c']


@pytest.mark.parametrize('content', ['', '[1]', '{"x": 3}'])
def test_a_damaged_record_costs_reading_again(table, read, content):
    first = hexes(table)
    for record in (cache_dir() / 'digests').iterdir():
        record.write_text(content)
    assert hexes(table) == first
    assert len(read) == 6


def test_a_missing_file_is_named(table):
    table.path(0).unlink()
    with pytest.raises(DataError, match='a_0'):
        file_digests(table)
