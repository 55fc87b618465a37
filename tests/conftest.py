"""What all tests share: a cache of their own, no network, and the data that may lie beside the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from repo import REPO

# before anything imports huggingface_hub: no test may reach out
os.environ.setdefault('HF_HUB_OFFLINE', '1')
os.environ.setdefault('TOKENIZERS_PARALLELISM', 'false')
# tiny models: more threads only wait for each other
os.environ.setdefault('OMP_NUM_THREADS', '1')


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Anchors of one test are not found by another, nor by the user."""
    folder = tmp_path_factory.mktemp('cache')
    monkeypatch.setenv('CITE_CACHE', str(folder))
    return folder


def beside(variable: str, default: str, name: str) -> Path:
    """A path under the folder that an environment variable names; skips the test without it."""
    folder = Path(os.environ.get(variable, default))
    path = (folder if folder.is_absolute() else REPO / folder) / name
    if not path.exists():
        pytest.skip(f'no {path}: let {variable} name the folder that holds {name}')
    return path


@pytest.fixture(scope='session')
def real_data():
    """Path of something in the folder of real data (`CITE_TEST_DATA`)."""
    return lambda name: beside('CITE_TEST_DATA', '../shared/data', name)


@pytest.fixture(scope='session')
def parity():
    """Path of something in the folder of golden fixtures (`CITE_TEST_PARITY`)."""
    return lambda name: beside('CITE_TEST_PARITY', '../shared/parity', name)
