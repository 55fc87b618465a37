"""docs/methods.md is what the classes say."""

from __future__ import annotations

import runpy
import subprocess
import sys

from repo import REPO

from cite.heads import HEADS
from cite.tuning import TUNINGS

TOOL = REPO / 'tools' / 'method_table.py'


def test_the_method_page_is_not_stale():
    assert subprocess.run([sys.executable, TOOL, '--check']).returncode == 0, (
        'python tools/method_table.py writes it'
    )


def test_every_method_is_in_it_with_what_it_is():
    page = runpy.run_path(str(TOOL))['page']()
    sections = page.split('\n## ')[1:]
    for section, registry in zip(sections, (TUNINGS, HEADS), strict=True):
        rows = [line for line in section.splitlines() if line.startswith('|')][2:]
        hidden = [name for name in registry.names() if name.startswith(('Original', 'Half'))]
        assert [row.split('`')[1] for row in rows] == sorted(set(registry.names()) - set(hidden))
        assert all(len(row.split(' | ')[1]) > 10 for row in rows)
