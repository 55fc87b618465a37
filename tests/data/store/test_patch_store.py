"""Patches are decoded once, and what is in the store is what the files hold."""

from __future__ import annotations

import logging
import multiprocessing
import os
import pickle

import numpy as np
import pytest
import torch
from PIL import Image

import cite.data.store.building as building
from cite.data.store import open_store
from cite.data.table import PatchTable
from cite.data.transforms import PatchTransform
from cite.errors import DataError
from cite.images import ResizePatch, load_rgb

N = 12
FRONT = (ResizePatch(16),)


@pytest.fixture
def table(tmp_path):
    return draw(tmp_path / 'images')


def draw(root, n=N):
    root.mkdir()
    rng = np.random.default_rng(0)
    names = [f'{i:02}.jpg' for i in range(n)]
    for name in names:
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8)).save(root / name)
    return PatchTable(names, [0] * n, names, ('one',), root)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / 'patches'


@pytest.fixture
def decoded(monkeypatch):
    """Names of the files in the order in which they are decoded."""
    names = []
    real = building.decode_rgb
    monkeypatch.setattr(
        building, 'decode_rgb', lambda content, path: names.append(path.name) or real(content, path)
    )
    return names


def expected(table):
    transform = PatchTransform(*FRONT)
    return torch.stack([transform(load_rgb(table.path(row))) for row in range(len(table))])


def test_batches_are_what_the_pipeline_gives(table, folder):
    store = open_store(table, FRONT, folder)
    assert store.shape == (N, 3, 16, 16)
    rows = [3, 0, 3, 11]
    assert torch.equal(store.batch(rows), expected(table)[rows])
    assert [path.suffix for path in folder.iterdir() if path.name[0] != '.'] == ['.npy']


def test_it_is_found_again_without_reading_a_file(table, folder, decoded, monkeypatch):
    first = open_store(table, FRONT, folder)
    assert sorted(set(decoded)) == sorted(table.files)
    decoded.clear()
    monkeypatch.setattr('cite.data.file_digests.read_content', None)
    assert open_store(table, FRONT, folder).path == first.path
    assert decoded == []


def test_the_same_files_elsewhere_share_it(table, folder, decoded, tmp_path):
    first = open_store(table, FRONT, folder)
    decoded.clear()
    assert open_store(draw(tmp_path / 'copy'), FRONT, folder).path == first.path
    assert decoded == []


def test_another_picture_under_the_same_name_is_not_missed(table, folder):
    first = open_store(table, FRONT, folder)
    Image.new('RGB', (20, 24), 'red').save(table.path(5))
    second = open_store(table, FRONT, folder)
    assert second.path != first.path
    assert torch.equal(second.batch(range(N)), expected(table))


def test_other_steps_and_versions_are_other_stores(table, folder, monkeypatch):
    paths = {
        open_store(table, FRONT, folder).path,
        open_store(table, (ResizePatch(8),), folder).path,
    }
    monkeypatch.setattr('cite.data.store.front.FORMAT', 99)
    paths.add(open_store(table, FRONT, folder).path)
    assert len(paths) == 3


def test_an_interrupted_one_is_continued(table, folder, decoded, monkeypatch):
    monkeypatch.setattr(building, 'default_workers', lambda: 1)
    content = table.path(7).read_bytes()
    stamp = table.path(7).stat()
    table.path(7).write_bytes(content[: len(content) // 2].ljust(len(content), b'\0'))
    os.utime(table.path(7), ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    with pytest.raises(DataError, match=r'07\.jpg: cannot be read as an image'):
        open_store(table, FRONT, folder)
    table.path(7).write_bytes(content)
    os.utime(table.path(7), ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    decoded.clear()
    store = open_store(table, FRONT, folder)
    assert set(decoded) == {f'{i:02}.jpg' for i in range(7, N)}
    assert torch.equal(store.batch(range(N)), expected(table))


def test_a_damaged_store_is_made_anew(table, folder, caplog):
    path = open_store(table, FRONT, folder).path
    path.write_bytes(path.read_bytes()[:500])
    with caplog.at_level(logging.WARNING):
        store = open_store(table, FRONT, folder)
    assert 'is damaged' in caplog.text
    assert torch.equal(store.batch(range(N)), expected(table))


def test_pictures_of_different_sizes_are_told(table, folder):
    Image.new('RGB', (10, 10)).save(table.path(4))
    with pytest.raises(DataError, match=r'04\.jpg: 10 x 10 pixels .* the first patch has 20 x 24'):
        open_store(table, (), folder)


def test_too_little_room_is_told_before_anything_is_written(table, folder, monkeypatch):
    usage = type('Usage', (), {'free': 1000})
    monkeypatch.setattr(building.shutil, 'disk_usage', lambda _: usage)
    with pytest.raises(DataError, match=r'0\.0 MB needed in .*, 0\.0 MB free'):
        open_store(table, FRONT, folder)
    assert not list(folder.glob('*.partial'))


def test_older_stores_make_room(table, folder, monkeypatch):
    old = open_store(table, FRONT, folder)
    monkeypatch.setattr(building, 'LIMIT', 20_000)
    new = open_store(table, (ResizePatch(17),), folder)
    assert new.path.exists() and not old.path.exists()
    assert torch.equal(old.batch([1]), expected(table)[[1]])  # whoever has it open can go on


def test_it_travels_to_a_worker_as_a_path(table, folder):
    store = open_store(table, FRONT, folder)
    content = pickle.dumps(store)
    assert len(content) < 1000
    assert torch.equal(pickle.loads(content).batch([2]), store.batch([2]))


def _open(root, folder, queue):
    names = [f'{i:02}.jpg' for i in range(N)]
    count = 0
    real = building.decode_rgb

    def decode(content, path):
        nonlocal count
        count += 1
        return real(content, path)

    building.decode_rgb = decode
    store = open_store(PatchTable(names, [0] * N, names, ('one',), root), FRONT, folder)
    queue.put((count, store.path.name, int(store.batch(range(N)).sum())))


def test_several_processes_build_it_once(table, folder):
    context = multiprocessing.get_context('fork')
    queue = context.Queue()
    processes = [context.Process(target=_open, args=(table.root, folder, queue)) for _ in range(3)]
    for process in processes:
        process.start()
    found = [queue.get(timeout=60) for _ in processes]
    for process in processes:
        process.join()
    assert sorted(count for count, _, _ in found) == [0, 0, N + 1]  # the first also for its size
    assert len({(name, total) for _, name, total in found}) == 1


def test_an_empty_table_is_told(table, folder):
    with pytest.raises(DataError, match='no patches to store'):
        open_store(table.subset([]), FRONT, folder)
