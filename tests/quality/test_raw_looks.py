from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from cite.errors import DataError
from cite.quality import looks as looks_module
from cite.quality import read_collection
from cite.quality.looks import look_at


def noise(path, seed, size=(70, 90)):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_looks_are_kept_and_only_changed_chunks_are_looked_at_again(tmp_path, monkeypatch):
    monkeypatch.setattr(looks_module, 'CHUNK', 2)
    paths = [tmp_path / f'{i}.png' for i in range(5)]
    for seed, path in enumerate(paths):
        noise(path, seed)
    names = [path.name for path in paths]
    cache = tmp_path / 'cache'
    first = look_at(paths, names, cache, 2, False)
    assert first.scan.sizes.tolist() == [[90, 70]] * 5 and not any(first.reasons)
    asked = []
    see = looks_module._see
    monkeypatch.setattr(looks_module, '_see', lambda path: (asked.append(path.name), see(path))[1])
    again = look_at(paths, names, cache, 1, False)
    assert not asked and np.array_equal(again.scan.digests, first.scan.digests)
    paths[2].write_bytes(b'')
    changed = look_at(paths, names, cache, 1, False)
    assert sorted(asked) == ['2.png', '3.png'] and changed.reasons[2] == 'empty file'
    next(cache.glob('*.npz')).write_bytes(b'damaged')
    whole = look_at(paths, names, cache, 1, False)
    assert np.array_equal(whole.scan.digests, changed.scan.digests)


def test_a_folder_names_what_cannot_be_read_and_not_what_was_written_before(tmp_path):
    for name in ('b/x.png', 'a.GIF', 'out/figures/y.png', 'notes.txt', '.hidden.png'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b'x')
    found = read_collection(tmp_path, without=[tmp_path / 'out'])
    assert list(found.names) == ['a.GIF', 'b/x.png']
    with pytest.raises(DataError, match='no images in'):
        read_collection(tmp_path / 'out', without=[tmp_path / 'out/figures'])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'file,caption\n', 'a header and no rows'),
        ('file,caption\na.png,Röntgen\n'.encode('latin-1'), 'not UTF-8'),
        (b'image,caption\na.png,x\n', "no column 'file', found image, caption"),
        (b'file,caption\n ,x\n', 'line 2: no value in column .file.'),
        (b'file,caption\na.png,x,y\n', 'expected 2 fields'),
    ],
)
def test_manifests_that_cannot_be_read(tmp_path, content, message):
    path = tmp_path / 'm.csv'
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_collection(path)
