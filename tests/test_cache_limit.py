"""A cache keeps what was used last."""

from __future__ import annotations

import os

import numpy as np
import pytest

from cite.cache_limit import touch, trim, used_bytes

SIZE = 64 * 1024


@pytest.fixture
def entries(tmp_path):
    """Three files and a folder, used in this order, and a hidden file."""
    paths = [tmp_path / name for name in ('a', 'b', 'folder', 'c')]
    for place, path in enumerate(paths):
        file = path
        if path.name == 'folder':
            path.mkdir()
            file = path / 'inside'
        file.write_bytes(os.urandom(SIZE))
        os.utime(path, (1000 + place, 1000 + place))
    (tmp_path / '.lock').write_bytes(b'x' * SIZE)
    return paths


def test_what_was_used_longest_ago_goes_first(tmp_path, entries):
    assert used_bytes(tmp_path) >= 4 * SIZE
    assert trim(tmp_path, 10 * SIZE) == []
    assert trim(tmp_path, int(2.5 * SIZE)) == entries[:2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ['.lock', 'c', 'folder']


def test_use_counts(tmp_path, entries):
    touch(entries[0])
    assert trim(tmp_path, int(1.5 * SIZE)) == entries[1:]
    assert entries[0].exists()


def test_what_is_to_be_kept_is_kept(tmp_path, entries):
    assert trim(tmp_path, 0, keep=entries[:1]) == entries[1:]
    assert trim(tmp_path / 'nowhere', 0) == []


def test_a_mapped_file_stays_readable(tmp_path):
    path = tmp_path / 'mapped.npy'
    np.save(path, np.arange(10_000))
    mapped = np.load(path, mmap_mode='r')
    assert trim(tmp_path, 0) == [path]
    assert mapped.sum() == 49_995_000
