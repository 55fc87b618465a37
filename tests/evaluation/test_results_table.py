from __future__ import annotations

import numpy as np
import pytest

from cite.errors import DataError
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions
from cite.evaluation.table import markdown_table, results_table


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
    header, rule, *rows = lines[:10]
    assert 'patch (n=4)' in header and 'slide (n=2)' in header
    assert len({len(line) for line in (header, rule, *rows)}) == 1
    cells = {row[: -2 * 13].strip(): row.split()[-2:] for row in rows}
    assert cells['accuracy'] == ['0.750', '1.000']
    assert cells['balanced accuracy'] == ['0.833', '1.000']
    assert set(cells) >= {'macro F1', 'AUROC', 'quadratic kappa', 'accuracy, a|1', 'accuracy, b'}
    assert cells['accuracy, a class with a rather long name'] == ['-', '-']
    assert 'No slide of a class with a rather long name' in lines[-1]
    assert any(line.startswith('Fractions') for line in lines)


def test_markdown_has_the_same_rows_and_escapes_bars(results):
    lines = markdown_table(results).splitlines()
    table = [line for line in lines if line.startswith('|')]
    assert len(table) == 2 + 5 + 3
    assert {line.replace(r'\|', '').count('|') for line in table} == {4}
    assert '| accuracy | 0.750 | 1.000 |' in table
    assert any(r'accuracy, a\|1' in line for line in table)


def test_incomplete_results_are_refused(results):
    del results['slide']
    with pytest.raises(DataError, match="'slide'"):
        results_table(results)
