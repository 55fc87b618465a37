"""A data set of 36 tiny patches, a config that trains on it in a second, and one finished run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from repo import REPO
from tiny_runs import one_thread, quick_start, write_tiny_config, write_tiny_data

__all__ = ['one_thread', 'quick_start']  # fixtures of every test here


@pytest.fixture(scope='session')
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes × 4 slides × 3 patches of 40 × 40; the last slide of each class is for testing."""
    return write_tiny_data(tmp_path_factory.mktemp('tiny') / 'data')


@pytest.fixture(scope='session')
def tiny_file(tiny_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The config file."""
    return write_tiny_config(tmp_path_factory.mktemp('tiny_config') / 'tiny.py', tiny_data)


@pytest.fixture(scope='session')
def load_tiny(tiny_file: Path) -> Callable[..., Any]:
    """`load_tiny(work_dir, {'dotted.key': value})` → the config."""
    from cite.mm.launch import load_config

    def load(work_dir: Path, options: dict[str, Any] | None = None, **flags: Any) -> Any:
        return load_config(tiny_file, str(work_dir), options, **flags)

    return load


@pytest.fixture
def tiny(load_tiny: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """`tiny({'dotted.key': value})` → the config, with `tmp_path/run` as run folder."""
    return lambda options=None, **flags: load_tiny(tmp_path / 'run', options, **flags)


@pytest.fixture(scope='session')
def finished(load_tiny: Callable[..., Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folder of 8 iterations (checkpoints at 4 and 8) that was tested. Read it, change a copy."""
    from cite.mm.launch import test, train

    folder = tmp_path_factory.mktemp('finished') / 'run'
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('CITE_CACHE', str(folder.parent / 'cache'))
        train(load_tiny(folder))
        test(load_tiny(folder), str(folder / 'iter_8.pth'))
    return folder


@pytest.fixture
def stopped(finished: Path, tmp_path: Path) -> Path:
    """Copy of the finished run as it was after iteration 4, in `tmp_path/run`."""
    folder = tmp_path / 'run'
    folder.mkdir()
    shutil.copy(finished / 'iter_4.pth', folder)
    (folder / 'last_checkpoint').write_text(str(finished / 'iter_4.pth'), encoding='utf-8')
    return folder


@pytest.fixture
def command(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `python …` in another working directory."""

    def run(*words: Any, timeout: int = 240) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *map(str, words)],
            cwd=tmp_path,
            env=command_environment(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


def command_environment() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(REPO), os.environ.get('PYTHONPATH')]))
    return {**os.environ, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'}


@pytest.fixture(scope='session')
def environment() -> dict[str, str]:
    """Environment of a command that is started by the test itself."""
    return command_environment()


@pytest.fixture(scope='session')
def read_checkpoint() -> Callable[[Path], dict[str, Any]]:
    return lambda path: torch.load(path, map_location='cpu', weights_only=True)


@pytest.fixture(scope='session')
def assert_same() -> Callable[[Any, Any], None]:
    """Nested dicts, lists and tensors, equal bit for bit."""

    def check(first: Any, second: Any, where: str = '') -> None:
        assert type(first) is type(second), where
        if isinstance(first, torch.Tensor):
            assert torch.equal(first, second), where
        elif isinstance(first, dict):
            assert first.keys() == second.keys(), where
            for key in first:
                check(first[key], second[key], f'{where}.{key}')
        elif isinstance(first, list | tuple):
            assert len(first) == len(second), where
            for number, (one, two) in enumerate(zip(first, second, strict=True)):
                check(one, two, f'{where}[{number}]')
        else:
            assert first == second, where

    return check
