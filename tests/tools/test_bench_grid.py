from __future__ import annotations

import importlib
import json
import sys

import pytest
from repo import REPO

FOLDER = REPO / 'tools' / 'bench' / 'speed'


@pytest.fixture
def bench(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module('grid')
    for name in ('grid', 'measure'):
        sys.modules.pop(name, None)


def test_both_ways_are_timed_and_give_the_same(bench, tmp_path, capsys):
    out = tmp_path / 'grid.json'
    bench.main(['--quick', '--out', str(tmp_path)])
    record = json.loads(out.read_text())
    found = record['results']
    assert list(found) == [kind.name for kind in bench.kinds(8, 8)]
    for each in found.values():
        assert each['members'] == 2 * 2 * 3 and each['timed_alone'] == 2 and each['extrapolated']
        assert each['largest_difference'] < 1e-4
        assert each['ratio'] > 0
    assert 'torch' in record['machine']['versions']
    shown = capsys.readouterr().out
    assert all(f'| {name} | 12 |' in shown for name in found)
    assert 'mean of 2 members, extrapolated to all' in shown
