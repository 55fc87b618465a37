"""The benchmark of patches on their way to the model, on a few of them."""

from __future__ import annotations

import json
import runpy
import sys

import torch
from repo import REPO

BENCH = REPO / 'tools' / 'bench' / 'speed' / 'data.py'


def test_prints_a_row_per_comparison(tmp_path, monkeypatch, capsys):
    threads = torch.get_num_threads()
    monkeypatch.setattr(sys, 'argv', [str(BENCH), '--out', str(tmp_path), '--quick'])
    monkeypatch.syspath_prepend(str(BENCH.parent))
    runpy.run_path(str(BENCH), run_name='__main__')
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith('|')]
    assert [row.split('|')[1].strip() for row in rows[2:]] == ['decoding', 'identical', 'default']
    found = json.loads((tmp_path / 'data.json').read_text())
    assert found['machine']['versions']['pillow']
    assert found['results']['decoding']['ratio'] > 5
    assert [part['patches'] for part in found['results']['growth']] == [2, 20]
    assert torch.get_num_threads() == threads
