from __future__ import annotations

import io
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from PIL import Image

from cite.data.prepare import zip_patches
from cite.data.prepare.zip_contents import read_contents
from cite.data.prepare.zip_patches import unpack
from cite.errors import DataError


def jpeg(seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (12, 12, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, 'JPEG')
    return out.getvalue()


PATCHES = {f's{i}_{k}.jpg': jpeg(10 * i + k) for i in range(3) for k in range(4)}


def wanted(name):
    return not name.startswith('s2')


def write(path, members, **options):
    with zipfile.ZipFile(path, 'w', **options) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def take(path, folder, **options):
    return unpack(path, read_contents(path, wanted), folder, progress=False, **options)


def there(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.parametrize('prefix', ['', 'patches_captions/', 'set/patches_captions/'])
@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_wanted_patches_come_out_whatever_folder_they_lie_in(tmp_path, prefix, method):
    members = {
        **{prefix + name: content for name, content in PATCHES.items()},
        '__MACOSX/._s0_0.jpg': b'x',
        f'{prefix}Thumbs.db': b'x',
        f'{prefix}.DS_Store': b'x',
        f'{prefix}empty/': b'',
    }
    path = write(tmp_path / 'a.zip', members, compression=method)
    contents = read_contents(path, wanted)
    assert contents.not_wanted == tuple(sorted(name for name in PATCHES if not wanted(name)))
    assert contents.ignored == 3
    found = take(path, tmp_path / 'out')
    assert (found.written, found.kept, found.bad) == (8, 0, [])
    assert there(tmp_path / 'out') == {n: c for n, c in PATCHES.items() if wanted(n)}


def test_a_run_that_broke_off_goes_on_where_it_stopped(tmp_path, monkeypatch):
    path = write(tmp_path / 'a.zip', PATCHES)
    writing, done = zip_patches.replacing, []

    def until_the_disk_is_full(target):
        if len(done) == 3:
            raise OSError(28, 'No space left on device')
        done.append(target.name)
        return writing(target)

    monkeypatch.setattr(zip_patches, 'replacing', until_the_disk_is_full)
    with pytest.raises(OSError, match='No space left'):
        take(path, tmp_path / 'out', workers=1)
    monkeypatch.undo()
    assert set(there(tmp_path / 'out')) == set(done)
    found = take(path, tmp_path / 'out')
    assert (found.written, found.kept) == (5, 3)
    assert there(tmp_path / 'out') == {n: c for n, c in PATCHES.items() if wanted(n)}


def test_files_of_another_size_or_content_are_taken_anew(tmp_path):
    path = write(tmp_path / 'a.zip', PATCHES)
    folder = tmp_path / 'out'
    take(path, folder)
    half, other = folder / 's0_0.jpg', folder / 's0_1.jpg'
    half.write_bytes(PATCHES['s0_0.jpg'][:50])
    other.write_bytes(PATCHES['s0_1.jpg'][:-1] + b'?')
    contents = read_contents(path, wanted)
    assert set(contents.missing_in(folder)) == {'s0_0.jpg'}
    found = take(path, folder)
    assert (found.written, found.kept) == (2, 6)
    assert half.read_bytes() == PATCHES['s0_0.jpg'] and other.read_bytes() == PATCHES['s0_1.jpg']


@pytest.mark.parametrize('workers', [1, 3])
def test_bad_members_are_listed_and_not_written(tmp_path, workers):
    bad = {'s0_1.jpg': b'no image', 's1_2.jpg': jpeg()[:-200]}
    path = write(tmp_path / 'a.zip', {**PATCHES, **bad})
    found = take(path, tmp_path / 'out', workers=workers)
    assert [entry.file for entry in found.bad] == ['s0_1.jpg', 's1_2.jpg']
    assert 'does not decode' in found.bad[0].reason
    assert found.written == 6 and not set(bad) & set(there(tmp_path / 'out'))
    assert take(path, tmp_path / 'out', check=False).written == 2


@pytest.mark.parametrize('method', [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_a_flipped_byte_is_damage_even_unchecked(tmp_path, method):
    path = write(
        tmp_path / 'a.zip', {'s0_0.jpg': bytes(2000), 's0_1.jpg': jpeg()}, compression=method
    )
    content = bytearray(path.read_bytes())
    content[36 + 8 + 3] ^= 0xFF  # behind the first local header
    path.write_bytes(content)
    found = take(path, tmp_path / 'out', check=False)
    assert [entry.file for entry in found.bad] == ['s0_0.jpg'] and found.written == 1
    assert 'damaged in the archive' in found.bad[0].reason


def test_a_member_that_understates_its_size_is_never_read_whole(tmp_path):
    """A bomb: 40 MiB in a member that says 1,000 bytes."""
    path = write(
        tmp_path / 'a.zip', {'s0_0.jpg': bytes(40 << 20)}, compression=zipfile.ZIP_DEFLATED
    )
    content = path.read_bytes().replace(struct.pack('<L', 40 << 20), struct.pack('<L', 1000))
    path.write_bytes(content)
    tracemalloc.start()
    found = take(path, tmp_path / 'out', check=False)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(found.bad) == 1 and there(tmp_path / 'out') == {}
    assert peak < 20 << 20


def test_disk_space_is_looked_at_first(tmp_path, monkeypatch):
    path = write(tmp_path / 'a.zip', PATCHES)
    monkeypatch.setattr(zip_patches.shutil, 'disk_usage', lambda _: type('U', (), {'free': 10})())
    with pytest.raises(DataError, match='make room and start again'):
        take(path, tmp_path / 'out')
    assert there(tmp_path / 'out') == {}
