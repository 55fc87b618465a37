"""tools/env.sh and tools/pins.py: which environment `make` uses, and what it leaves alone in it."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def run_env(kind: str, **variables: object) -> subprocess.CompletedProcess[str]:
    kept = {'PATH': os.environ['PATH']}
    return subprocess.run(
        ['sh', ROOT / 'tools' / 'env.sh', kind],
        env=kept | {name: str(value) for name, value in variables.items()},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'#!/bin/sh\n{text}\n')
    path.chmod(0o755)
    return path


def old_python(path: Path) -> Path:
    """Something that says that it is Python 3.8, and fails the check of the version."""
    return script(path, 'case "$2" in *print*) echo 3.8 ;; *) exit 1 ;; esac')


def recording_environment(home: Path) -> Path:
    """An environment whose Python notes the calls of pip and installs nothing."""
    note = f'echo "$*" >>"{home}/calls"'
    text = f'case "$*" in *pip*) {note} ;; *) exec "{sys.executable}" "$@" ;; esac'
    script(home / 'bin' / 'python', text)
    return home


def test_too_old_a_python_is_named(tmp_path: Path) -> None:
    python = old_python(tmp_path / 'python3.8')
    result = run_env('base', PYTHON=python, VENV=tmp_path / 'venv')
    assert result.returncode == 1
    assert f'3.10 or newer is needed, found only: {python} (3.8)' in result.stderr
    assert not (tmp_path / 'venv').exists()


def test_missing_venv_module_is_named(tmp_path: Path) -> None:
    text = f'case "$2" in *ensurepip*) exit 1 ;; *) exec "{sys.executable}" "$@" ;; esac'
    python = script(tmp_path / 'python3', text)
    result = run_env('base', PYTHON=python, VENV=tmp_path / 'venv')
    assert result.returncode == 1
    assert f'no venv module in: {python}' in result.stderr


def test_too_old_an_active_environment_is_refused(tmp_path: Path) -> None:
    old_python(tmp_path / 'bin' / 'python')
    result = run_env('base', VIRTUAL_ENV=tmp_path)
    assert result.returncode == 1
    assert f'{tmp_path} has Python 3.8' in result.stderr


@pytest.mark.parametrize('variable', ['VIRTUAL_ENV', 'CONDA_PREFIX'])
def test_active_environment_is_filled_once(tmp_path: Path, variable: str) -> None:
    home = recording_environment(tmp_path / 'active')
    first = run_env('dev', **{variable: home}, PIP_ARGS='--index-url https://example.org/simple')
    assert first.returncode == 0, first.stderr
    assert first.stdout.strip() == str(home / 'bin' / 'python')
    calls = (home / 'calls').read_text()
    assert 'install -e .[dev] -c' in calls
    assert calls.strip().endswith('--index-url https://example.org/simple')
    assert '--upgrade' not in calls, 'an environment of the user is not upgraded'

    for kind in ('dev', 'base'):  # what tests need includes what the quickstart needs
        assert run_env(kind, **{variable: home}).stderr == ''
    assert (home / 'calls').read_text() == calls


def test_failed_install_is_tried_again(tmp_path: Path) -> None:
    text = f'case "$*" in *"install -e"*) exit 1 ;; *) exec "{sys.executable}" "$@" ;; esac'
    script(tmp_path / 'bin' / 'python', text)
    for _ in range(2):
        result = run_env('base', VIRTUAL_ENV=tmp_path)
        assert result.returncode == 1
        assert 'PIP_ARGS' in result.stderr


CONSTRAINTS = """# tested together
torch==2.14.1
torchvision==0.29.1
numpy==2.4.6
opencv-python==5.0.0.93
"""


@pytest.mark.parametrize(
    ('installed', 'expected'),
    [
        ({}, ['torch==2.14.1', 'torchvision==0.29.1', 'numpy==2.4.6', 'opencv-python==5.0.0.93']),
        (
            {'torch': '2.14.1+cpu', 'opencv-python': '4.10.0.84'},
            ['torch==2.14.1+cpu', 'torchvision==0.29.1', 'numpy==2.4.6'],
        ),
        ({'torch': '2.9.0', 'numpy': '2.1.0'}, ['torch==2.9.0', 'opencv-python==5.0.0.93']),
        (
            {'torch': '1.13.0', 'torchvision': '0.14.0', 'numpy': '1.24.0'},
            ['torch==2.14.1', 'torchvision==0.29.1', 'numpy==2.4.6', 'opencv-python==5.0.0.93'],
        ),
    ],
    ids=['empty', 'tested torch', 'another torch', 'too old'],
)
def test_accepted_packages_lose_their_pins(installed: dict[str, str], expected: list[str]) -> None:
    pins = runpy.run_path(str(ROOT / 'tools' / 'pins.py'))
    assert (
        pins['remaining_pins'](CONSTRAINTS, pins['direct_requirements'](), installed.get)
        == expected
    )
