"""docs/models.md is what the zoo's rows say."""

from __future__ import annotations

import runpy
import subprocess
import sys

from repo import REPO

from cite.encoders.zoo import CARDS, PAIRS, TEXT_CARDS

TOOL = REPO / 'tools' / 'model_table.py'


def test_the_page_is_not_stale():
    assert subprocess.run([sys.executable, TOOL, '--check']).returncode == 0, (
        'python tools/model_table.py writes it'
    )


def test_a_stale_page_is_told(tmp_path, monkeypatch, capsys):
    tool = runpy.run_path(str(TOOL))
    stale = tmp_path / 'models.md'
    stale.write_text('old', encoding='utf-8')
    monkeypatch.setitem(tool['main'].__globals__, 'PAGE', stale)
    monkeypatch.setattr(sys, 'argv', [str(TOOL), '--check'])
    assert tool['main']() == 1 and stale.read_text(encoding='utf-8') == 'old'
    assert 'is stale' in capsys.readouterr().err
    monkeypatch.setattr(sys, 'argv', [str(TOOL)])
    assert tool['main']() == 0
    assert stale.read_text(encoding='utf-8') == tool['page']()


def test_every_row_is_in_its_table_with_equal_columns():
    page = runpy.run_path(str(TOOL))['page']()
    sections = page.split('\n## ')[1:]
    for section, names in zip(sections, (CARDS, TEXT_CARDS, PAIRS), strict=True):
        rows = [line for line in section.splitlines() if line.startswith('|')]
        assert [row.split('`')[1] for row in rows[2:]] == list(names)
        assert len({row.replace(r'\|', '').count('|') for row in rows}) == 1
