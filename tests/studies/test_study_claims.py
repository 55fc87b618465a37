"""Claims: one holder at a time, none after a death, and looking disturbs nobody."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time

import pytest

from cite.errors import DataError
from cite.studies.claims import LOCK, claim, is_claimed

HOLDER = """
import sys, time
sys.path[:] = {path!r}
from cite.studies.claims import claim
with claim({folder!r}) as ours:
    print(ours, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    script = HOLDER.format(path=sys.path, folder=str(tmp_path / 'run'))
    process = subprocess.Popen([sys.executable, '-c', script], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == 'True'
    yield process
    process.kill()
    process.communicate()


def test_one_holder_in_one_process(tmp_path):
    with claim(tmp_path / 'run') as first, claim(tmp_path / 'run') as second:
        assert (first, second) == (True, False)
    with claim(tmp_path / 'run') as third:
        assert third


def test_a_claim_ends_with_an_error(tmp_path):
    with pytest.raises(ZeroDivisionError), claim(tmp_path / 'run'):
        raise ZeroDivisionError
    assert not is_claimed(tmp_path / 'run')


def test_a_claim_dies_with_its_process(tmp_path, holder):
    assert is_claimed(tmp_path / 'run')
    with claim(tmp_path / 'run') as ours:
        assert not ours
    holder.send_signal(signal.SIGKILL)
    holder.wait(5)
    assert not is_claimed(tmp_path / 'run')
    with claim(tmp_path / 'run') as ours:
        assert ours


def test_looking_makes_no_file(tmp_path):
    assert not is_claimed(tmp_path / 'run')
    assert not (tmp_path / 'run').exists()


def test_looking_keeps_nobody_from_claiming(tmp_path):
    """Lookers in a tight loop, far more often than a table is drawn."""
    (tmp_path / LOCK).touch()
    stop = threading.Event()

    def look():
        while not stop.is_set():
            is_claimed(tmp_path)
            time.sleep(0.001)

    looker = threading.Thread(target=look)
    looker.start()
    try:
        for _ in range(50):
            with claim(tmp_path) as ours:
                assert ours
    finally:
        stop.set()
        looker.join()


def test_a_folder_that_cannot_be_made(tmp_path):
    (tmp_path / 'file').touch()
    with pytest.raises(DataError, match='cannot be locked'), claim(tmp_path / 'file' / 'run'):
        pass
