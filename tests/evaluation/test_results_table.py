from __future__ import annotations

import copy

import numpy as np
import pytest

from cite.errors import DataError
from cite.evaluation.metrics import LATER_KEYS, evaluate
from cite.evaluation.predictions import Predictions
from cite.evaluation.table import markdown_table, results_table

KINDS = ('colour', 'majority')


@pytest.fixture
def results():
    return evaluate(
        Predictions(
            files=['1', '2', '3', '4'],
            labels=np.array([0, 0, 0, 1]),
            probabilities=np.eye(3)[[0, 0, 1, 1]],
            slides=['s', 's', 's', 't'],
            classes=('a|1', 'b', 'a class with a rather long name'),
        )
    )


def test_plain_table_is_aligned_and_complete(results):
    lines = results_table(results).splitlines()
    header, rule, *rows = lines[:14]
    assert 'patch (n=4)' in header and 'slide (n=2)' in header
    assert len({len(line) for line in (header, rule, *rows)}) == 1
    cells = {row[: -2 * 13].strip(): row.split()[-2:] for row in rows}
    assert cells['accuracy'] == ['0.750', '1.000']
    assert cells['balanced accuracy'] == ['0.833', '1.000']
    assert set(cells) >= {'macro F1', 'AUROC', 'quadratic kappa', 'accuracy, a|1', 'accuracy, b'}
    assert set(cells) >= {'weighted F1', 'AUPRC', 'log loss', 'ECE'}
    assert cells['accuracy, a class with a rather long name'] == ['-', '-']
    assert 'No slide of a class with a rather long name' in lines[-1]
    assert any(line.startswith('Fractions') for line in lines)


def test_markdown_has_the_same_rows_and_escapes_bars(results):
    lines = markdown_table(results).splitlines()
    table = [line for line in lines if line.startswith('|')]
    assert len(table) == 2 + 9 + 3
    assert {line.replace(r'\|', '').count('|') for line in table} == {4}
    assert '| accuracy | 0.750 | 1.000 |' in table
    assert any(r'accuracy, a\|1' in line for line in table)


def without(results):
    return {**results, **{level: drop(results[level]) for level in ('patch', 'slide')}}


def drop(metrics):
    return {key: value for key, value in metrics.items() if key not in LATER_KEYS}


def test_results_of_an_earlier_version_have_the_rows_that_they_had(results, compared):
    table = [line for line in markdown_table(without(results)).splitlines() if line[:1] == '|']
    assert len(table) == 2 + 5 + 3
    assert not any(name in results_table(without(results)) for name in ('F1,', 'AUPRC', 'ECE'))
    compared['baselines']['colour'] = without(compared['baselines']['colour'])
    (row,) = [line for line in results_table(compared).splitlines() if line[:3] == 'ECE']
    assert [cell == '-' for cell in row.split()[1:]] == [False, True, False] * 2


def other(results, title):
    return {'title': title, 'patch': results['patch'], 'slide': results['slide']}


@pytest.fixture
def compared(results):
    majority = copy.deepcopy(other(results, 'majority class'))
    majority['slide']['accuracy'] = 0.123
    return {
        **results,
        'title': 'text head on a tower',
        'baselines': {'colour': other(results, 'colour histogram'), 'majority': majority},
        'baseline_notes': ['No third one: it\nfailed'],
    }


def test_baselines_stand_beside_the_run_at_each_level(compared):
    title, levels, columns, rule, *lines = results_table(compared).splitlines()
    assert title == 'text head on a tower'
    assert levels.split() == [
        '-----',
        'patch',
        '(n=4)',
        '-----',
        '-----',
        'slide',
        '(n=2)',
        '-----',
    ]
    assert columns.split() == ['run', 'colour', 'majority'] * 2
    assert len(levels) == len(columns) == len(rule) == len(lines[0])
    assert lines[0].split() == ['accuracy', *['0.750'] * 3, '1.000', '1.000', '0.123']
    assert 'Baselines, of the same training patches: colour histogram, majority class.' in lines
    assert lines[-1] == r'No third one: it\nfailed'


def test_markdown_has_a_column_for_each_baseline(compared):
    table = [line for line in markdown_table(compared).splitlines() if line.startswith('|')]
    names = [f'{level}: {n}' for level in ('patch (n=4)', 'slide (n=2)') for n in ('run', *KINDS)]
    assert table[0] == '|  | ' + ' | '.join(names) + ' |'
    assert table[2] == '| accuracy | 0.750 | 0.750 | 0.750 | 1.000 | 1.000 | 0.123 |'
    assert {line.replace(r'\|', '').count('|') for line in table} == {8}


def test_a_level_with_a_long_name_has_room(compared):
    for level in ('patch', 'slide'):
        compared[level]['n'] = 1234567
    del compared['baselines']['majority']
    lines = results_table(compared).splitlines()
    assert len({len(line) for line in lines[1:5]}) == 1 and '- patch (n=1234567) -' in lines[1]


def renamed(results, names):
    results = copy.deepcopy(results)
    for found in (results, *results.get('baselines', {}).values()):
        for level in ('patch', 'slide'):
            found[level]['classes'] = names
            values = found[level]['per_class_accuracy'].values()
            found[level]['per_class_accuracy'] = dict(zip(names, values, strict=True))
    return results


@pytest.mark.parametrize('few', [True, False])
def test_long_names_fit_a_terminal(compared, few):
    names = ['moderately differentiated tubular adenocarcinoma ' * 2, 'x' * 200, 'short']
    if few:
        del compared['baselines']
    lines = results_table(renamed(compared, names)).splitlines()
    assert max(map(len, lines)) == 100
    start = next(i for i, line in enumerate(lines) if line.startswith('accuracy, moderately'))
    assert lines[start].split()[-1] == '1.000' and lines[start + 1].startswith('  ')


def test_names_cannot_break_a_line(compared):
    names = ['a\nb', 'c\td', '\x1b[31mred <b>']
    found = renamed(compared, names)
    shown = results_table(found)
    assert r'accuracy, a\nb ' in shown and r'accuracy, c\td ' in shown
    assert r'accuracy, \x1b[31mred <b> ' in shown
    assert len(shown.splitlines()) == len(results_table(compared).splitlines())
    table = [line for line in markdown_table(found).splitlines() if line.startswith('|')]
    assert len(table) == 2 + 9 + 3
    assert table[-1].startswith(r'| accuracy, \\x1b\[31mred \<b\> |')


@pytest.mark.parametrize('baselines', [[1], {'colour': 3}, {'colour': {'patch': {}}}])
def test_damaged_baselines_are_refused(results, baselines):
    with pytest.raises(DataError, match='Results at'):
        results_table({**results, 'baselines': baselines})


def test_incomplete_results_are_refused(results):
    del results['slide']
    with pytest.raises(DataError, match="'slide'"):
        results_table(results)
