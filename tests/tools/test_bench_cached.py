"""The benchmark of kept activations, on a tiny tower."""

from __future__ import annotations

import json
import runpy
import sys

import pytest
from repo import REPO

BENCH = REPO / 'tools' / 'bench' / 'speed' / 'cached.py'


@pytest.mark.slow
def test_prints_a_row_per_method(tmp_path, monkeypatch, capsys):
    from cite.mm.loop import CiteTrainLoop
    from cite.mm.runner import CiteRunner

    # the benchmark wraps these for good
    monkeypatch.setattr(CiteRunner, 'train', CiteRunner.train)
    monkeypatch.setattr(CiteTrainLoop, 'run', CiteTrainLoop.run)
    monkeypatch.setattr(CiteTrainLoop, 'run_iter', CiteTrainLoop.run_iter)
    monkeypatch.setattr(sys, 'argv', [str(BENCH), '--out', str(tmp_path), '--quick'])
    monkeypatch.syspath_prepend(str(BENCH.parent))
    runpy.run_path(str(BENCH), run_name='__main__')
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('|')]
    assert [row.split('|')[1].strip() for row in rows[-3:]] == [
        'linear probe',
        'text anchors',
        'Tip-Adapter-F',
    ]
    found = json.loads((tmp_path / 'cached.json').read_text())
    assert found['machine']['versions']['torch']
    for method in found['results']['methods'].values():
        assert len(method['uncached_step_seconds']) == 2
        assert method['kept_mib'] > 0
