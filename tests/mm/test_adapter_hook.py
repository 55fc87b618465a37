from __future__ import annotations

import shutil

import numpy as np
import pytest

import cite
from cite.adapter import read_info
from cite.evaluation.predictions import Predictions
from cite.mm.launch import test as evaluate
from cite.mm.launch import train


def test_the_adapter_predicts_what_the_test_found(finished):
    predictions = Predictions.from_parquet(finished / 'predictions.parquet')
    found = cite.load(finished / 'adapter.safetensors').predict(predictions.files)
    np.testing.assert_allclose(found.scores, predictions.probabilities, atol=1e-6)


def test_the_adapter_tells_what_it_is(finished, tiny_data):
    info = read_info(finished / 'adapter.safetensors')
    assert info.classes == ['well', 'moderate', 'poor']
    assert info.backbone['model'] == 'random-vit-tiny'
    assert info.neck['in_features'] == 192
    assert info.head['texts'] == ['red tissue', 'green tissue', 'blue tissue']
    assert 'text_encoder' not in info.head
    assert info.anchors['model'] == 'random-bert-tiny'
    assert info.training['iterations'] == 8
    assert info.training['data']['train']['source'] == str(tiny_data / 'train.csv')
    size = (finished / 'adapter.safetensors').stat().st_size
    assert size < 4 * (192 + 192 * 128 + 128 + 3 * 128) + 10_000


def test_the_card_gets_the_results_of_its_own_run_only(finished, tiny, stopped, tmp_path):
    assert 'balanced' in (finished / 'MODEL_CARD.md').read_text().lower()
    run = tmp_path / 'run'
    train(tiny(), resume=True)
    card = (run / 'MODEL_CARD.md').read_text()
    evaluate(tiny(), str(finished / 'iter_8.pth'))  # a checkpoint of another folder
    assert (run / 'MODEL_CARD.md').read_text() == card
    evaluate(tiny(), str(run / 'iter_8.pth'))
    assert (run / 'MODEL_CARD.md').read_text() != card


@pytest.mark.parametrize(
    'options',
    [
        {'model.neck': None, 'model.head': 'LinearHead'},
        {'model.backbone.tuning': None, 'model.neck.act_after': 'GELU'},
        {'model.head.learnable_temperature': True, 'model.backbone.tuning.layers': 'deep'},
    ],
)
def test_adapters_of_other_methods_load_too(tiny, tmp_path, options):
    options = {**options, 'train_cfg.max_iters': 2}
    train(tiny(options))
    run = tmp_path / 'run'
    evaluate(tiny(options), str(run / 'iter_2.pth'))
    predictions = Predictions.from_parquet(run / 'predictions.parquet')
    found = cite.load(run / 'adapter.safetensors').predict(predictions.files)
    np.testing.assert_allclose(found.scores, predictions.probabilities, atol=1e-6)


def test_a_run_without_an_adapter_can_be_tested(finished, tiny, tmp_path):
    run = shutil.copytree(finished, tmp_path / 'run')
    (run / 'adapter.safetensors').unlink()
    card = (run / 'MODEL_CARD.md').read_text()
    evaluate(tiny(), str(run / 'iter_8.pth'))
    assert (run / 'MODEL_CARD.md').read_text() == card
