"""The tidy table and the summary, against what they are made from."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from cite.evaluation.calibration import apply_temperature, brier
from cite.evaluation.metrics import evaluate
from cite.studies.description import Study
from cite.studies.record import read_result
from cite.studies.report.table import write_csv


@pytest.fixture(scope='module')
def table(reported):
    return pd.read_parquet(reported[0] / 'table.parquet')


def test_one_row_per_run_and_level(reported, table):
    keys = Study.load(reported[0]).runs()
    found = table[['method', 'shots', 'split_seed', 'seed', 'level']]
    expected = [
        (k.method, k.shots, k.split_seed, k.seed, level)
        for k in keys
        for level in ('patch', 'slide', 'patient')
    ]
    assert list(found.itertuples(index=False, name=None)) == expected


def test_metrics_are_those_of_the_predictions(reported, table):
    folder, _ = reported
    key = Study.load(folder).runs()[-1]
    result = read_result(folder, key)
    metrics = evaluate(result.predictions)
    rows = table[
        (table.method == key.method)
        & (table.shots == key.shots)
        & (table.split_seed == key.split_seed)
    ].set_index('level')
    for level in ('patch', 'slide', 'patient'):
        for name in ('balanced_accuracy', 'auroc', 'quadratic_kappa', 'ece', 'log_loss', 'n'):
            assert rows.loc[level, name] == metrics[level][name]
    p = apply_temperature(result.predictions.probabilities, result.record.temperature)
    scaled = dataclasses.replace(result.predictions, probabilities=p).by_slide()
    assert rows.loc['slide', 'brier_calibrated'] == brier(scaled.probabilities, scaled.labels)


def test_without_a_temperature_there_are_no_calibrated_values(table):
    calibrated = table[['ece_calibrated', 'brier_calibrated', 'log_loss_calibrated']]
    assert (calibrated.notna().all(axis=1) == (table.shots == '4')).all()


def test_both_forms_hold_the_same(reported, table):
    text = pd.read_csv(reported[0] / 'table.csv', dtype={'shots': str, 'split_hash': str})
    assert list(text.columns) == list(table.columns)
    for name in table.columns:
        if pd.api.types.is_numeric_dtype(table[name]):
            np.testing.assert_allclose(text[name], table[name].astype(float), rtol=1e-5)
        else:
            both = [column.astype(object).fillna('') for column in (text[name], table[name])]
            assert (both[0] == both[1]).all(), name


def test_summary_is_mean_and_spread_of_the_table(reported, table):
    summary = pd.read_csv(reported[0] / 'summary.csv', dtype={'shots': str})
    for metric in ('balanced_accuracy', 'brier'):
        wide = table.groupby(['method', 'shots', 'level'])[metric].agg(['mean', 'std', 'count'])
        own = summary[summary.metric == metric].set_index(['method', 'shots', 'level'])
        own = own.loc[wide.index]
        np.testing.assert_allclose(own['mean'], wide['mean'], rtol=1e-5)
        np.testing.assert_allclose(own['std'], wide['std'], rtol=1e-4)
        assert (own['runs'] == wide['count']).all()
    main = summary[(summary.metric == 'balanced_accuracy')]
    assert ((main.low <= main['mean']) & (main['mean'] <= main.high)).all()


def test_comparisons_are_differences_of_means(reported):
    folder, _ = reported
    summary = pd.read_csv(folder / 'summary.csv', dtype={'shots': str})
    main = summary[(summary.metric == 'balanced_accuracy') & (summary.level == 'slide')]
    means = main.set_index(['method', 'shots'])['mean']
    comparisons = pd.read_csv(folder / 'comparisons.csv', dtype={'shots': str})
    assert set(comparisons.reference) == {'cite'}
    for one in comparisons.itertuples():
        expected = means[one.method, one.shots] - means[one.reference, one.shots]
        assert one.difference == pytest.approx(expected, abs=1e-5)
        assert one.low <= one.difference <= one.high
        assert one.p <= one.p_holm <= 1


def test_csv_of_texts_that_need_quotes(tmp_path):
    write_csv(tmp_path / 'a.csv', ['x', 'y'], [{'x': 'a, "b"\nc', 'y': 1 / 3}, {'x': None, 'y': 2}])
    found = pd.read_csv(tmp_path / 'a.csv')
    assert found.x[0] == 'a, "b"\nc'
    assert np.isnan(found.x[1]) if isinstance(found.x[1], float) else found.x.isna()[1]
    assert found.y.tolist() == [0.333333, 2.0]
