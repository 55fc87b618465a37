"""Everything here is marked `parity`; the table is compared with the docs when all the rest has run."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent
TABLE = 'test_parity_table.py'


def pytest_collection_modifyitems(items):
    mine = [item for item in items if HERE in Path(item.path).parents]
    for item in mine:
        item.add_marker(pytest.mark.parity)
    last = [item for item in mine if Path(item.path).name == TABLE]
    items[:] = [item for item in items if item not in last] + last
