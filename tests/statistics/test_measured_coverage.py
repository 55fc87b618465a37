"""The shipped table: whole, from the program's own settings, and good enough to be relied on."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import asdict

import pytest
from drawn_runs import bench

from cite.errors import ConfigError
from cite.statistics.coverage import coverage_table, measured, measured_coverage


def test_the_table_is_of_the_program_as_it_is():
    table = coverage_table()
    assert table['settings'] == json.loads(json.dumps(asdict(bench().Settings())))
    s = table['settings']
    per_size = len(s['qualities']) * len(s['between_runs'])
    expected = len(s['n_per_class']) * len(s['runs']) + len(s['auroc_n_per_class'])
    assert len(table['coverage']) == per_size * expected


@pytest.mark.parametrize('runs', [3, 5, 10])
@pytest.mark.parametrize('n', [30, 50, 100])
def test_intervals_hold(n, runs):
    assert measured_coverage(n, runs) >= 0.93


def test_bootstrap_tests_keep_their_level():
    rows = coverage_table()['tests']
    assert sum(row['bootstrap'] for row in rows) / len(rows) <= 0.06


def test_the_size_below_is_taken():
    assert measured(37, 7) == measured(30, 5)
    assert measured(1000, 50) == measured(100, 10)
    found = measured(30, 5)
    assert (found.n_per_class, found.runs) == (30, 5)
    assert found.lowest <= found.coverage
    assert measured(100, 1).runs == 1


def test_nothing_is_said_of_what_was_not_measured():
    assert measured(4, 5) is None
    assert math.isnan(measured_coverage(4, 5))
    with pytest.raises(ConfigError, match='ece'):
        measured(30, 5, 'ece')


def test_the_program_writes_such_a_table(tmp_path, monkeypatch, capsys):
    program = bench()
    out = tmp_path / 'table.json'
    monkeypatch.setattr(sys, 'argv', ['coverage.py', '--quick', '--out', str(out)])
    program.main()
    assert '| slides per class |' in capsys.readouterr().out
    found = json.loads(out.read_text())
    assert found.keys() == coverage_table().keys()
    for part in ('coverage', 'tests'):
        assert found[part][0].keys() == coverage_table()[part][0].keys()
