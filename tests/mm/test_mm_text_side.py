"""Heads that learn or average texts, in whole runs: trained, tested, resumed, served; their configs."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import cite
from cite.adapter import read_info
from cite.errors import CheckpointError
from cite.evaluation.predictions import Predictions
from cite.mm.launch import load_config, train
from cite.mm.launch import test as evaluate
from cite.mm.resolve import resolve
from cite.paths import configs_dir

ENCODER = {'type': 'TextEncoder', 'model': 'random-bert-tiny'}
FILE = 'class,text\npoor,no glands\nwell,many glands\nwell,open lumina\nmoderate,some glands\n'
LEARNED = {
    'CoOpHead': {'length': 4},
    'CoCoOpHead': {'init': 'a patch of', 'texts_at_once': 6},
}


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / 'texts.csv'
    path.write_text(FILE, encoding='utf-8')
    return path


def options_of(kind: str) -> dict:
    head = {'_delete_': True, 'type': kind, 'text_encoder': ENCODER, **LEARNED[kind]}
    return {'model.head': head, 'train_cfg.max_iters': 2}


@pytest.mark.parametrize('kind', LEARNED)
def test_learned_words_train_load_and_serve(tiny, tmp_path, kind, read_checkpoint):
    options = options_of(kind)
    train(tiny(options))
    run = tmp_path / 'run'
    state = read_checkpoint(run / 'iter_2.pth')['state_dict']
    assert {'head.context', 'head.identity'} <= set(state)
    assert not [name for name in state if 'tower' in name or 'trunk' in name]
    evaluate(tiny(options), str(run / 'iter_2.pth'))
    about = json.loads((run / 'results.json').read_text())['about']
    assert about['text_encoder']['model'] == 'random-bert-tiny'
    predictions = Predictions.from_parquet(run / 'predictions.parquet')
    found = cite.load(run / 'adapter.safetensors').predict(predictions.files)
    np.testing.assert_allclose(found.scores, predictions.probabilities, atol=1e-5)
    info = read_info(run / 'adapter.safetensors')
    assert info.head['type'] == ('TextEmbeddingHead' if kind == 'CoOpHead' else kind)
    assert 'random-bert-tiny' in (run / 'MODEL_CARD.md').read_text()
    assert 'text' in info.training['licences']
    assert train(tiny({**options, 'train_cfg.max_iters': 3}), resume=True).iter == 3
    head = {**options['model.head'], 'names': ['a', 'b', 'c']}
    with pytest.raises(CheckpointError, match='other class names'):
        evaluate(tiny({**options, 'model.head': head}), str(run / 'iter_2.pth'))


def test_texts_of_a_file_are_in_the_order_of_the_classes(tiny, tmp_path, texts):
    options = {'model.head.texts': str(texts), 'train_cfg.max_iters': 2}
    options['model.head.templates'] = ['a {}.', '{}']
    train(tiny(options))
    run = tmp_path / 'run'
    texts.unlink()  # the adapter holds what it needs
    info = read_info(run / 'adapter.safetensors')
    assert info.head['texts'] == [
        'a many glands. | many glands | a open lumina. | open lumina',
        'a some glands. | some glands',
        'a no glands. | no glands',
    ]
    assert info.anchors['descriptions'] == {'file': 'texts.csv'}
    assert cite.load(run / 'adapter.safetensors').classes == ('well', 'moderate', 'poor')


def test_anchors_of_a_checkpoint_stand_in_for_those_of_a_file(tiny, tmp_path, texts, own_cache):
    from tiny_models import save_tiny_bert

    folder = save_tiny_bert(tmp_path / 'bert')
    options = {
        'model.head.texts': str(texts),
        'model.head.templates': ['a {}.', '{}'],
        'model.head.text_encoder.model': str(folder),
        'train_cfg.max_iters': 2,
    }
    train(tiny(options))
    checkpoint = str(tmp_path / 'run' / 'iter_2.pth')
    first = evaluate(tiny(options), checkpoint)
    shutil.rmtree(folder)
    shutil.rmtree(own_cache)
    assert evaluate(tiny(options), checkpoint) == first


@pytest.mark.parametrize(
    ('name', 'head'),
    [('coop', 'CoOpHead'), ('cocoop', 'CoCoOpHead'), ('zero_shot_ensemble', 'ZeroShotHead')],
)
def test_configs_take_the_text_tower_of_their_backbone(tmp_path, name, head):
    base = configs_dir() / '_base_'
    bases = ['runtime.py', 'datasets/patchgastric.py', f'models/{name}.py', 'schedules/sgd_1000.py']
    file = tmp_path / 'config.py'
    file.write_text(f'_base_ = {[str(base / part) for part in bases]}', encoding='utf-8')
    for model in ('clip-vit-b16', 'clip-vit-l14'):
        done = resolve(load_config(file, options={'model.backbone.model': model}), 'cpu')
        assert done.model.head.type == head
        assert done.model.head.text_encoder == {'type': 'TextEncoder', 'model': model}
    from cite.heads import HEADS
    from cite.registry import check_options

    given = {k: v for k, v in done.model.head.items() if k != 'type'}
    check_options(head, HEADS.get(head), given)
