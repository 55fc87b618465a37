from __future__ import annotations

import json
import subprocess
import sys

import pytest
from repo import REPO

FOLDER = REPO / 'tools' / 'bench' / 'speed'


@pytest.fixture
def bench(monkeypatch):
    import importlib

    monkeypatch.syspath_prepend(str(FOLDER))
    yield importlib.import_module('startup')
    for name in ('startup', 'measure'):
        sys.modules.pop(name, None)


def test_imports_are_summed_by_package(bench):
    shown = """import time: self [us] | cumulative | imported package
import time:       200 |        200 |   torch.nn
a line of the run
import time:      1000 |       1200 | torch
import time:      5000 |       5000 | numpy
"""
    assert bench.heaviest_of(shown) == {'numpy': 0.005, 'torch': 0.001}


def test_a_command_that_fails_or_never_begins_is_no_time(bench, tmp_path):
    with pytest.raises(SystemExit, match='ZeroDivisionError'):
        bench.first_iteration_or_end(['-c', '1 / 0'], tmp_path)
    with pytest.raises(SystemExit, match=r'showed no Iter\(train\)'):
        bench.first_iteration_or_end(['-c', '', 'train'], tmp_path)


def test_time_stops_at_the_first_iteration(bench, tmp_path):
    code = 'import time; print("Iter(train) [1/1]", flush=True); time.sleep(1.5)'
    words = ['-c', code, 'train']
    assert bench.first_iteration_or_end(words, tmp_path) < 1.4


@pytest.mark.slow
def test_the_table_of_a_quick_run(tmp_path):
    words = [str(FOLDER / 'startup.py'), '--quick', '--out', str(tmp_path)]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads((tmp_path / 'startup.json').read_text())
    assert found['results']['seconds'].keys() >= found['results']['targets'].keys()
    assert 'torch' in found['results']['heaviest_imports']
    assert '| cite train, first iteration |' in done.stdout
    assert found['machine']['versions']['torch']
