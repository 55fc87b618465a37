from __future__ import annotations

import json

import numpy as np
import pytest

from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions
from cite.mm.launch import test as run_test
from cite.mm.metric import PatchSlideMetric
from cite.mm.sample import PatchSample


def test_a_run_folder_holds_everything_that_its_numbers_need(finished):
    names = {path.name for path in finished.iterdir() if path.is_file()}
    assert names == {
        'config.py',
        'config_test.py',
        'iter_4.pth',
        'iter_8.pth',
        'last_checkpoint',
        'adapter.safetensors',
        'MODEL_CARD.md',
        'results.json',
        'predictions.parquet',
    }


def test_results_are_those_of_the_predictions(finished):
    results = json.loads((finished / 'results.json').read_text())
    predictions = Predictions.from_parquet(finished / 'predictions.parquet')
    found = json.loads(json.dumps(evaluate(predictions)))
    assert {level: results[level] for level in ('patch', 'slide')} == found
    assert results['patch']['n'] == 9 and results['slide']['n'] == 3
    assert predictions.slides == [file.split('/')[-1].split('_')[0] for file in predictions.files]
    assert predictions.patients is None
    np.testing.assert_allclose(predictions.probabilities.sum(1), 1, rtol=1e-5)


def test_results_say_what_decided_them(finished, tiny_data, tiny_file):
    results = json.loads((finished / 'results.json').read_text())
    about = results['about']
    assert about['checkpoint'] == str(finished / 'iter_8.pth')
    assert about['texts'] == ['red tissue', 'green tissue', 'blue tissue']
    assert about['text_encoder']['pooling'] == 'mean'
    assert about['trained_parameters'] == 192 + 192 * 128 + 128
    assert about['data']['test']['source'] == str(tiny_data / 'val.csv')
    assert about['data']['test']['sha256'] != about['data']['train']['sha256']
    assert (about['seed'], about['precision'], about['config']) == (
        0,
        'fp32',
        f'{tiny_file.parent.name}/tiny',
    )
    assert {'cite', 'torch', 'mmengine'} <= about['versions'].keys()
    assert 'random' in results['subtitle']


def test_testing_twice_gives_the_same_bytes_of_predictions(finished, tiny, tmp_path):
    found = run_test(tiny(), str(finished / 'iter_8.pth'))
    for name in ('predictions.parquet',):
        assert (tmp_path / 'run' / name).read_bytes() == (finished / name).read_bytes()
    assert set(found) == {
        f'{level}/{name}'
        for level in ('patch', 'slide')
        for name in ('accuracy', 'balanced_accuracy', 'macro_f1', 'auroc', 'quadratic_kappa')
    }


def metric(out_dir=None):
    made = PatchSlideMetric(out_dir=out_dir)
    made.dataset_meta = {'classes': ('a', 'b')}
    return made


def feed(made, rows):
    import torch

    for file, label, score, slide, patient in rows:
        sample = PatchSample.of(label, img_path=file, slide=slide, patient=patient)
        sample.pred_score = torch.tensor(score)
        made.process({}, [sample.to_dict()])


ROWS = [
    ('1.jpg', 0, [0.9, 0.1], 's', 'p'),
    ('2.jpg', 0, [0.4, 0.6], 's', 'p'),
    ('3.jpg', 1, [0.3, 0.7], 't', 'q'),
]


def test_a_slide_is_the_mean_of_its_patches(tmp_path):
    made = metric(str(tmp_path / 'new'))
    feed(made, ROWS)
    found = made.evaluate(3)
    assert found['patch/accuracy'] == pytest.approx(2 / 3)
    assert found['slide/accuracy'] == 1.0
    assert Predictions.from_parquet(tmp_path / 'new' / 'predictions.parquet').patients == [
        'p',
        'p',
        'q',
    ]
    assert 'patch (n=3)' in made.results_table


def test_what_is_not_defined_is_left_out_of_the_log():
    made = metric()
    feed(made, ROWS[:2])
    found = made.evaluate(2)
    assert 'patch/auroc' not in found and 'slide/quadratic_kappa' not in found
    assert found['slide/accuracy'] == 1.0


def test_without_a_folder_nothing_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = metric()
    feed(made, ROWS)
    made.evaluate(3)
    assert list(tmp_path.iterdir()) == []
