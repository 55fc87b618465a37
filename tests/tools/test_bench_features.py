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
    yield importlib.import_module('features')
    for name in ('features', 'measure'):
        sys.modules.pop(name, None)


@pytest.mark.slow
def test_every_way_is_timed_and_the_growth_told(bench, tmp_path, capsys):
    out = tmp_path / 'features.json'
    bench.main(['--quick', '--device', 'cpu', '--out', str(tmp_path)])
    record = json.loads(out.read_text())
    found = record['results']['ways']
    assert set(found['images_per_second']) == {
        'reading',
        'model fp32',
        'model bf16',
        'plain loop fp32',
        'extract fp32',
        'extract bf16',
    }
    assert all(rate > 0 for rate in found['images_per_second'].values())
    assert 0 < found['share_of_the_slower']['fp32'] < 2
    assert [size['patches'] for size in record['results']['growth']] == [40, 400]
    assert all(0 < size['peak_mb'] < 10_000 for size in record['results']['growth'])
    assert 'torch' in record['machine']['versions']
    shown = capsys.readouterr().out
    assert '| extract bf16 |' in shown and '400 patches' in shown
