"""`cite demo`: what is wrong is told before a page opens; a stopped one leaves nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import httpx
import pytest
from repo import REPO

from cite.cli import build_parser, main

pytest.importorskip('gradio')


def test_loopback_is_what_is_listened_to_unless_said_otherwise():
    args = build_parser().parse_args(['demo'])
    assert (args.host, args.model, args.adapter) == ('127.0.0.1', ['tiny-tissue'], [])


@pytest.mark.parametrize(
    ('arguments', 'said'),
    [
        (['--model', 'tiny-tisue'], 'did you mean tiny-tissue'),
        (['--adapter', 'nowhere.safetensors'], 'nowhere.safetensors'),
        (['--folder', 'nowhere'], '--folder nowhere'),
        (['--slides', 'tests'], 'no slides in tests'),
        (['--port', '70000'], '70000'),
        (['--max-upload-mb', '0'], '0'),
    ],
)
def test_mistakes_end_with_one_line(arguments, said, capsys, monkeypatch):
    monkeypatch.chdir(REPO)
    try:
        code = main(['demo', '--check', *arguments])
    except SystemExit as end:  # of the parser
        code = end.code
    told = capsys.readouterr().err
    assert code == 2 and said in told and 'Traceback' not in told
    assert len(told.strip().splitlines()) == 1


def test_another_host_is_warned_of(capsys):
    assert main(['demo', '--check', '--host', '0.0.0.0']) == 0
    told = capsys.readouterr()
    assert 'no password' in told.err and 'the page is ready' in told.out


@pytest.mark.slow
def test_a_page_that_is_stopped_leaves_nothing(tmp_path):
    environment = {**os.environ, 'TMPDIR': str(tmp_path), 'PYTHONPATH': str(REPO)}
    environment['CITE_CACHE'] = str(tmp_path / 'cache')
    command = [sys.executable, '-m', 'cite', 'demo', '--no-browser', '--port', '0']
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as page:
        address = page.stdout.readline().split()[0]
        assert address.startswith('http://127.0.0.1:')
        sent = httpx.post(
            f'{address}gradio_api/upload', files={'files': ('a.png', b'secret')}, trust_env=False
        )
        assert sent.status_code == 200
        assert [path for path in tmp_path.rglob('a.png') if path.read_bytes() == b'secret']
        page.send_signal(signal.SIGTERM)
        begun = time.monotonic()
        assert page.wait(30) == 0 and time.monotonic() - begun < 20
    assert not [path for path in tmp_path.rglob('*') if path.is_file()]
