"""Baselines beside the results of a test, and by themselves."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from cite.cli import main
from cite.errors import ConfigError, DataError
from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions
from cite.mm import baselines
from cite.mm.baselines import run_config
from cite.mm.launch import test as run_test


@pytest.fixture
def tested(tiny, finished, tmp_path):
    """`tested({'dotted.key': value})` → results.json and model card of a test of the finished run."""

    def test(options=None):
        folder = tmp_path / 'run'
        shutil.copytree(finished, folder, dirs_exist_ok=True)
        (folder / 'results.json').unlink()
        run_test(tiny(options), str(folder / 'iter_8.pth'))
        found = json.loads((folder / 'results.json').read_text())
        return found, (folder / 'MODEL_CARD.md').read_text()

    return test


@pytest.fixture
def copied_data(tiny_data, tmp_path):
    shutil.copytree(tiny_data, tmp_path / 'data')
    return tmp_path / 'data'


def test_a_test_shows_what_its_result_must_beat(finished):
    results = json.loads((finished / 'results.json').read_text())
    assert list(results['baselines']) == ['colour', 'majority']
    colour, majority = results['baselines'].values()
    assert colour['title'] == 'colour histogram + logistic regression'
    assert colour['patch']['accuracy'] == 1.0  # the classes of the tiny data are colours
    assert majority['slide']['balanced_accuracy'] == pytest.approx(1 / 3)
    assert colour['patch']['n'] == results['patch']['n'] and colour['slide']['n'] == 3
    assert results['baseline_notes'] == []
    card = (finished / 'MODEL_CARD.md').read_text()
    assert '| patch (n=9): colour | patch (n=9): majority |' in card
    shown = ''.join(path.read_text() for path in finished.rglob('*.log'))
    assert 'run  colour  majority    run  colour  majority' in shown


def test_baselines_are_chosen_or_left_out_in_the_config(tested):
    results, card = tested({'baselines': ['majority']})
    assert list(results['baselines']) == ['majority'] and 'colour' not in card
    results, card = tested({'baselines': []})
    assert results['baselines'] == {} and 'patch (n=9) |' in card
    assert results['baseline_notes'] == ['No baselines computed (baselines=[]).']
    assert 'No baselines computed' in card


def test_without_training_data_there_are_none(tested):
    none = dict.fromkeys(('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler'))
    results, _ = tested(none)
    assert results['baselines'] == {}
    assert results['baseline_notes'] == ['No baselines: the config has no training data.']


@pytest.fixture
def fewer(copied_data):
    """Training data with other lines; returns its folder."""
    lines = (copied_data / 'train.csv').read_text().splitlines()
    (copied_data / 'few.csv').write_text('\n'.join([line for line in lines if '0_1' not in line]))
    return copied_data


def test_results_are_of_the_data_that_the_checkpoint_was_trained_on(tested, fewer, tiny_data):
    options = {'data_root': str(fewer), 'train_dataloader.dataset.ann_file': 'few.csv'}
    results, card = tested(options)
    assert results['baselines'] == {}
    (note,) = results['baseline_notes']
    trained = tiny_data / 'train.csv'
    assert f'was trained on {trained}, and the config names {fewer / "few.csv"}' in note
    assert f'--cfg-options train_dataloader.dataset.ann_file={trained}' in note
    assert results['about']['data']['train']['source'] == str(trained)
    assert 'No baselines: the checkpoint was trained on' in card


def test_the_same_lines_elsewhere_are_the_same_data(tested, copied_data):
    results, _ = tested({'data_root': str(copied_data)})
    assert list(results['baselines']) == ['colour', 'majority']


@pytest.mark.parametrize('kinds', [['majority'], []])
def test_slides_that_were_trained_on_are_told(tested, copied_data, kinds):
    lines = (copied_data / 'train.csv').read_text().splitlines()
    with (copied_data / 'val.csv').open('a') as file:
        file.write('\n'.join([*lines[1:3], '']))
    results, card = tested({'data_root': str(copied_data), 'baselines': kinds})
    slide = lines[1].split(',')[2]
    assert results['baseline_notes'][0].startswith(
        f'WARNING: training and test data share 1 slides ({slide}): these results'
    )
    assert 'training and test data share 1 slides' in card and list(results['baselines']) == kinds


def test_the_second_test_takes_them_from_the_cache(tested, monkeypatch):
    first, _ = tested()
    monkeypatch.setattr('cite.baselines.colour.load_rgb', None)
    assert tested()[0]['baselines'] == first['baselines']


def test_a_baseline_that_fails_takes_no_result_along(tested, copied_data, finished):
    bad = copied_data / 'images' / 'poor1_1.jpg'
    bad.write_bytes(b'no image')
    results, card = tested({'data_root': str(copied_data)})
    before = json.loads((finished / 'results.json').read_text())
    assert results['patch'] == before['patch']
    assert list(results['baselines']) == ['majority']
    (note,) = results['baseline_notes']
    assert note.startswith('No colour histogram + logistic regression: ') and str(bad) in note
    assert 'No colour histogram' in card


def test_training_data_that_are_gone_take_no_result_along(tested, copied_data):
    (copied_data / 'train.csv').unlink()
    results, _ = tested({'data_root': str(copied_data)})
    assert results['patch']['n'] == 9 and results['baselines'] == {}
    (note,) = results['baseline_notes']
    assert note.startswith('No baselines: ') and 'train.csv: no such file' in note


def test_a_defect_of_a_baseline_is_a_note_too(tested, monkeypatch):
    def fail(*arguments, **options):
        raise ZeroDivisionError('ours')

    monkeypatch.setattr(baselines, 'cached_baseline', fail)
    results, _ = tested({'baselines': ['majority']})
    assert results['baseline_notes'] == ['No majority class: ZeroDivisionError: ours']


def test_only_the_first_process_computes(monkeypatch):
    class Metric(baselines.PatchSlideMetric):
        def add_baselines(self, *arguments):
            raise AssertionError('not here')

    runner = type('Runner', (), {})()
    runner.test_evaluator = type('Evaluator', (), {'metrics': [Metric()]})()
    monkeypatch.setattr(baselines, 'is_main_process', lambda: False)
    baselines.BaselineHook().after_test_epoch(runner)


# -- by themselves ---------------------------------------------------------------------------------


def test_a_baseline_leaves_the_files_of_a_tested_run(tiny, finished, tmp_path):
    results = run_config(tiny(), 'colour')
    folder = tmp_path / 'run'
    assert {path.name for path in folder.iterdir()} == {'results.json', 'predictions.parquet'}
    assert json.loads((folder / 'results.json').read_text()) == json.loads(json.dumps(results))
    ours, of_run = (Predictions.from_parquet(f / 'predictions.parquet') for f in (folder, finished))
    assert (ours.files, ours.slides, ours.classes) == (of_run.files, of_run.slides, of_run.classes)
    np.testing.assert_array_equal(ours.labels, of_run.labels)
    assert {level: results[level] for level in ('patch', 'slide')} == evaluate(ours)
    assert results['title'] == 'colour histogram + logistic regression'
    before = json.loads((finished / 'results.json').read_text())
    assert results['about']['data'] == before['about']['data']
    for level in ('patch', 'slide'):
        assert results[level] == before['baselines']['colour'][level]


def test_results_of_a_model_are_never_replaced(tiny, tmp_path):
    run_config(tiny(), 'majority')
    run_config(tiny(), 'colour')  # those of another baseline are
    path = tmp_path / 'run' / 'results.json'
    for found in ('{"patch": {}, "about": {"config": "mine"}}', '{"patch": {}}', '[]', '{'):
        path.write_text(found)
        with pytest.raises(ConfigError, match=r'results\.json is of another run.*--work-dir'):
            run_config(tiny(), 'colour')
        assert path.read_text() == found


def test_no_model_is_needed(tiny, monkeypatch):
    options = {
        'model.backbone.model': 'hf-hub:nobody/nothing',
        'model.head.text_encoder.model': 'nobody/nothing',
    }
    monkeypatch.setattr('cite.mm.resolve.get_card', None)
    assert run_config(tiny(options), 'majority')['patch']['n'] == 9


def test_options_reach_the_data(tiny, copied_data):
    train = (copied_data / 'train.csv').read_text().splitlines()
    fewer = [line for line in train if 'moderate' not in line or '0_0' in line]
    (copied_data / 'few.csv').write_text('\n'.join([*fewer, '']))
    cfg = tiny({'data_root': str(copied_data), 'train_dataloader.dataset.ann_file': 'few.csv'})
    found = run_config(cfg, 'majority')
    assert found['about']['data']['train']['source'] == str(copied_data / 'few.csv')
    probabilities = Predictions.from_parquet(cfg.work_dir + '/predictions.parquet').probabilities
    np.testing.assert_allclose(probabilities[0], [3 / 7, 1 / 7, 3 / 7])


def test_data_that_do_not_do_are_told(tiny, copied_data, tmp_path):
    with pytest.raises(ConfigError, match='no `train_dataloader`, and this needs training'):
        run_config(tiny({'train_dataloader': None}), 'colour')
    with pytest.raises(ConfigError, match='train_dataloader: expected a PatchDataset'):
        baselines.table_of(object(), 'train_dataloader')
    Image.new('RGB', (4, 4)).save(copied_data / 'images' / 'well0_0.jpg')
    (copied_data / 'images' / 'well0_1.jpg').write_text('no image')
    with pytest.raises(DataError, match=r'well0_1\.jpg: cannot be read'):
        run_config(tiny({'data_root': str(copied_data)}), 'colour')
    assert not (tmp_path / 'run' / 'results.json').exists()


def test_the_command_prints_the_table_and_reports(tiny_file, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(['baseline', 'colour', str(tiny_file)]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith('colour histogram + logistic regression\n')
    assert 'patch (n=9)' in shown and 'results: work_dirs/tiny_colour' in shown
    assert main(['report', 'work_dirs/tiny_colour']) == 0
    assert (tmp_path / 'work_dirs' / 'tiny_colour' / 'report.png').is_file()
