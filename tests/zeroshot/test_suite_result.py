"""Averages, counts, exit codes, tables."""

from __future__ import annotations

import csv
import json

import pytest

from cite.zeroshot.suite import SetResult, SuiteResult
from cite.zeroshot.suite.outputs import write_outputs
from cite.zeroshot.suite.suite_file import Suite


def one(name, modality, value=None, status='scored', metric='accuracy'):
    reason = '' if status == 'scored' else f'why {name}'
    return SetResult(
        name, name.title(), modality, metric, status, reason, value, n=10, classes=2, majority=0.5
    )


def result(tmp_path, *sets):
    return SuiteResult('mine', 'tiny', sets, tmp_path)


def test_averages_by_hand(tmp_path):
    found = result(
        tmp_path,
        one('a', 'pathology', 0.5),
        one('b', 'fundus', 0.25),
        one('c', 'pathology', 0.8),
        one('d', 'pathology', status='missing'),
        one('e', 'ct', status='failed'),
    )
    assert [(own.modality, own.value, own.of) for own in found.averages] == [
        ('pathology', pytest.approx(0.65), '2/3'),
        ('fundus', 0.25, '1/1'),
        ('ct', None, '0/1'),
    ]
    # over data sets, not over modalities: (0.5 + 0.25 + 0.8) / 3
    assert found.overall.value == pytest.approx(1.55 / 3)
    assert found.overall.of == '3/5'


@pytest.mark.parametrize(
    ('states', 'code'),
    [
        (['scored', 'scored'], 0),
        (['scored', 'missing'], 0),
        (['scored', 'failed'], 1),
        (['failed', 'missing'], 2),
    ],
)
def test_exit_codes(tmp_path, states, code):
    sets = [one(str(n), 'x', 0.5, status) for n, status in enumerate(states)]
    assert result(tmp_path, *sets).exit_code == code


def test_no_average_without_its_count(tmp_path):
    found = result(tmp_path, one('a', 'pathology', 0.5), one('b', 'pathology', status='missing'))
    write_outputs(found, Suite('mine', ()))
    lines = found.lines()
    assert 'pathology: 50.0, 1/2 data sets' in lines
    assert any('b' in line and 'not found: why b' in line for line in lines)
    page = (tmp_path / 'suite.md').read_text()
    assert '| pathology | mean of 1/2 data sets | accuracy | 50.0 |' in page
    assert 'not found: why b' in page
    with (tmp_path / 'suite.csv').open() as file:
        rows = list(csv.DictReader(file))
    assert [(row['kind'], row['name'], row['value'], row['of']) for row in rows] == [
        ('set', 'a', '0.5', ''),
        ('set', 'b', '', ''),
        ('modality', 'mean', '0.5', '1/2'),
        ('all', 'mean', '0.5', '1/2'),
    ]
    told = json.loads((tmp_path / 'results.json').read_text())
    assert told['overall'] == {
        'modality': 'all',
        'value': 0.5,
        'scored': 1,
        'total': 2,
        'metrics': ['accuracy'],
    }


def test_an_average_of_two_metrics_says_so(tmp_path):
    found = result(tmp_path, one('a', 'pathology', 0.5), one('b', 'pathology', 0.7, metric='auroc'))
    write_outputs(found, Suite('mine', ()))
    assert 'pathology: 60.0 (of accuracy and auroc), 2/2 data sets' in found.lines()
    assert 'Averages of different metrics' in (tmp_path / 'suite.md').read_text()


def test_no_figure_of_nothing(tmp_path):
    (tmp_path / 'suite.png').write_bytes(b'of an earlier run')
    write_outputs(result(tmp_path, one('a', 'x', status='failed')), Suite('mine', ()))
    assert not (tmp_path / 'suite.png').exists()
    assert 'suite.png' not in (tmp_path / 'suite.md').read_text()


def test_names_are_no_formulas(tmp_path):
    found = SetResult('a', 'a $x_ & <b>', 'p$_', 'accuracy', 'scored', value=0.5, majority=0.5)
    write_outputs(SuiteResult('s$_', 'm$_', (found,), tmp_path), Suite('mine', ()))
    assert (tmp_path / 'suite.png').stat().st_size > 1000
    assert '&lt;b&gt;' in (tmp_path / 'suite.html').read_text()
