"""A study of drawn patches that a test can really run: seconds, not minutes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tiny_runs import one_thread, quick_start, write_tiny_config, write_tiny_data

from cite.studies.data import data_of
from cite.studies.description import Study
from cite.studies.options import with_whole_paths
from cite.studies.read import study_of

__all__ = ['one_thread', 'quick_start']  # fixtures of every test here


@pytest.fixture(scope='session')
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 classes × 6 slides × 2 patches, 2 slides of each class for testing; patients are known."""
    return write_tiny_data(tmp_path_factory.mktemp('small') / 'data', 6, 2, 2, patients=True)


@pytest.fixture(scope='session')
def small_config(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CITE on those, 8 iterations."""
    return write_tiny_config(tmp_path_factory.mktemp('small_config') / 'tiny.py', small_data)


@pytest.fixture(scope='session')
def small_study(small_config: Path) -> Callable[..., Study]:
    """`small_study(key=value)` → a study of a linear probe and CITE at k = 1 and 2, two draws."""

    def make(**changes: Any) -> Study:
        linear = {'model.backbone.tuning': None, 'model.neck': None}
        given = {
            'base': str(small_config),
            'methods': {
                'linear probe': {'options': {**linear, 'model.head': {'type': 'LinearHead'}}},
                'CITE': {},
            },
            'shots': [1, 2],
            'split_seeds': 2,
            'choosing': {'budget': 2},
            'stain_groups': 0,
        }
        return study_of({**given, **changes}, 'small')

    return make


@pytest.fixture
def begun(small_study: Callable[..., Study], tmp_path: Path) -> Callable[..., tuple[Study, Path]]:
    """`begun(key=value)` → the study as a start writes it, and its folder with study.json in it."""

    def make(**changes: Any) -> tuple[Study, Path]:
        study = with_whole_paths(small_study(**changes))
        data_of(study)
        folder = tmp_path / 'study'
        folder.mkdir(exist_ok=True)
        study.write(folder)
        return study, folder

    return make
