from __future__ import annotations

import json

import pytest

from cite.atomic import replacing, write_bytes, write_json, write_text


def test_writes_whole_files_in_new_folders(tmp_path):
    path = tmp_path / 'a' / 'b' / 'file'
    write_bytes(path, b'\x00\xff')
    assert path.read_bytes() == b'\x00\xff'
    write_text(path, 'Größe\n')
    assert path.read_bytes() == 'Größe\n'.encode()
    write_json(path, {'é': [1, 2]})
    assert json.loads(path.read_text(encoding='utf-8')) == {'é': [1, 2]}
    assert 'é' in path.read_text(encoding='utf-8')
    assert list(path.parent.iterdir()) == [path]


def test_the_old_file_stays_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / 'file'
    write_text(path, 'old')
    with replacing(path) as temporary:
        temporary.write_text('new')
        assert temporary.parent == path.parent
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'


@pytest.mark.parametrize('interrupt', [RuntimeError, KeyboardInterrupt])
def test_a_failed_write_leaves_everything_as_it_was(tmp_path, interrupt):
    path = tmp_path / 'file'
    write_text(path, 'old')
    with pytest.raises(interrupt), replacing(path) as temporary:
        temporary.write_text('half')
        raise interrupt
    assert path.read_text() == 'old'
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_as_json_replaces_nothing(tmp_path):
    path = tmp_path / 'file'
    write_text(path, 'old')
    with pytest.raises(TypeError):
        write_json(path, {'a': object()})
    assert path.read_text() == 'old'


def test_a_folder_in_the_way_is_an_error_that_leaves_nothing_behind(tmp_path):
    (tmp_path / 'file').mkdir()
    with pytest.raises(OSError, match='file'):
        write_text(tmp_path / 'file', 'text')
    assert list(tmp_path.iterdir()) == [tmp_path / 'file']
