"""Towers of every kind, for the tests of tunings."""

from __future__ import annotations

import pytest
from tower_kinds import Towers


@pytest.fixture(scope='session')
def towers(tmp_path_factory) -> Towers:
    return Towers(tmp_path_factory.mktemp('text-models'))
