"""Nothing that users bring stays."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import tempfile
import time

import pytest

from cite.demo.workspace import PREFIX, Workspace


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, 'tempdir', str(tmp_path))


def test_the_folder_is_ours_alone_and_goes(tmp_path):
    with Workspace() as workspace:
        assert stat.S_IMODE(workspace.root.stat().st_mode) == 0o700
        first, second = workspace.place('hits.csv'), workspace.place('hits.csv')
        assert first != second and first.parent != second.parent
        first.write_text('a')
    assert not list(tmp_path.iterdir())


def test_old_files_go_and_new_ones_stay():
    with Workspace(age=100) as workspace:
        old, new = workspace.place('old'), workspace.place('new')
        old.write_text('a')
        new.write_text('b')
        long_ago = time.time() - 200
        os.utime(old, (long_ago, long_ago))
        assert workspace.tidy() == 1
        assert not old.exists() and new.exists()
        os.utime(old.parent, (long_ago, long_ago))
        workspace.tidy()
        assert not old.parent.exists() and workspace.cache.is_dir()


def test_it_looks_by_itself():
    with Workspace(age=0.0, every=0.05) as workspace:
        file = workspace.place('a')
        file.write_text('a')
        for _ in range(100):
            if not file.exists():
                return
            time.sleep(0.05)
    raise AssertionError('the file is still there')


def test_what_a_killed_page_left_goes_at_the_next_start(tmp_path):
    gone = subprocess.Popen([sys.executable, '-c', ''])
    gone.wait()
    left, other = tmp_path / f'{PREFIX}{gone.pid}-a', tmp_path / f'{PREFIX}{os.getpid()}-b'
    for folder in (left, other):
        folder.mkdir()
    with Workspace():
        assert not left.exists() and other.exists()
