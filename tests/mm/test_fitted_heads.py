"""Heads that are made from the training patches, from `cite train` to an adapter at work."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

import cite
from cite.adapter import read_adapter, save_adapter
from cite.data.table import PatchTable
from cite.errors import CheckpointError, ConfigError, DataError, TrainingError
from cite.evaluation.predictions import Predictions
from cite.frozen import trainable
from cite.images import image_batches
from cite.mm.fitting import training_features
from cite.mm.launch import test as evaluate
from cite.mm.launch import train
from cite.mm.runner import CiteRunner

HEADS = {
    'knn': {'type': 'KNNHead', 'k': 5},
    'prototype': {'type': 'PrototypeHead'},
    'tip_adapter': {'type': 'TipAdapterHead'},
    'tip_adapter_f': {'type': 'TipAdapterHead', 'trains': True, 'max_patches_per_class': 4},
    'clip_adapter': {'type': 'CLIPAdapterHead'},
    'text_linear': {'type': 'TextLinearHead'},
}
WITHOUT_TRAINING = ['knn', 'prototype', 'tip_adapter']
MADE = [*WITHOUT_TRAINING, 'tip_adapter_f']


@pytest.fixture
def config(tiny):
    """`config('knn', {'dotted.key': value})` → a config with that head on a frozen tower."""

    def build(name, options=None):
        cfg = tiny({'train_cfg.max_iters': 4, **(options or {})})
        cfg.model.backbone.tuning = None
        texts = {key: cfg.model.head[key] for key in ('texts', 'text_encoder')}
        if name in ('knn', 'prototype'):
            cfg.model.neck, texts = None, {}
        else:  # the text encoder is of another size than the tower
            cfg.model.neck.frozen = True
        cfg.model.head = {**HEADS[name], **texts}
        return cfg

    return build


def files(run):
    return {path.name for path in run.iterdir() if path.is_file()}


@pytest.mark.parametrize('name', HEADS)
def test_from_training_to_an_adapter_at_work(config, tmp_path, name):
    run, last = tmp_path / 'run', f'iter_{0 if name in WITHOUT_TRAINING else 4}.pth'
    runner = train(config(name))
    model = runner.bare_model
    assert {last, 'config.py', 'adapter.safetensors', 'MODEL_CARD.md'} <= files(run)
    assert (run / 'last_checkpoint').read_text() == str(run / last)
    trained = sum(p.numel() for p in trainable(model).values())
    assert trained == model.head.trained_parameters(model.head.in_features or 192, 3)
    assert (trained == 0) is (name in WITHOUT_TRAINING)

    found = evaluate(config(name), str(run / last))
    assert found == runner.test()  # in the same process, without a file
    assert (
        name not in MADE or found['patch/balanced_accuracy'] > 0.5
    )  # the classes differ in colour
    about = json.loads((run / 'results.json').read_text())['about']
    assert about['head'] == HEADS[name]['type'] and about['trained_parameters'] == trained
    predictions = Predictions.from_parquet(run / 'predictions.parquet')
    loaded = cite.load(run / 'adapter.safetensors')
    again = loaded.predict(predictions.files)
    np.testing.assert_allclose(again.scores, predictions.probabilities, atol=1e-6)
    assert HEADS[name]['type'] in (run / 'MODEL_CARD.md').read_text()


@pytest.mark.parametrize('name', ['knn', 'tip_adapter'])
def test_features_are_those_of_every_training_patch_as_a_test_reads_it(config, name):
    runner = CiteRunner.from_cfg(config(name))
    dataset = runner.train_dataloader.dataset
    assert 'AugmentPatch' in str(runner.cfg.train_dataloader.dataset.pipeline)
    features, labels = training_features(runner)
    model = runner.bare_model.eval()
    table: PatchTable = dataset.table
    assert len(features) == len(table) == 27 and torch.equal(labels, torch.tensor(table.labels))
    with torch.no_grad():
        paths = [table.path(row) for row in range(len(table))]
        (images,) = image_batches(paths, model.backbone.resize, len(table))
        expected = model.backbone(images)
        if model.neck is not None:
            expected = model.neck(expected)
    torch.testing.assert_close(features, expected)
    assert features.dtype == torch.float32 and not features.requires_grad


def test_features_have_the_precision_of_the_model(config):
    found = {}
    for precision in ('fp32', 'bf16'):
        runner = CiteRunner.from_cfg(config('knn', {'model.precision': precision}))
        features, _ = training_features(runner)
        found[precision] = features
        assert runner.bare_model.training  # as it was
    assert found['bf16'].dtype == torch.float32
    assert not torch.equal(found['fp32'], found['bf16'])
    torch.testing.assert_close(found['fp32'], found['bf16'], atol=0.5, rtol=0.1)


def test_features_are_of_patches_in_the_staining_of_the_run(config):
    found = {}
    for stain in (None, 'reinhard'):
        cfg = config('knn')
        cfg.stain = stain
        cfg.cache = 'off'  # so that every feature goes through the tower
        runner = CiteRunner.from_cfg(cfg)
        images = []
        real = runner.bare_model.backbone.forward
        runner.bare_model.backbone.forward = lambda x, images=images, real=real: (
            images.append(x),
            real(x),
        )[1]
        training_features(runner)
        found[stain] = torch.cat(images)
    plain, stained = found[None], found['reinhard']
    assert len(plain) == len(stained) == 27
    assert stained.float().mean((0, 2, 3)).sub(plain.float().mean((0, 2, 3))).abs().max() > 5


def test_making_a_head_draws_no_random_number(config):
    torch.manual_seed(5)
    expected = torch.rand(1)
    runner = CiteRunner.from_cfg(config('knn'))
    torch.manual_seed(5)
    training_features(runner)
    assert torch.equal(torch.rand(1), expected)


def test_the_log_says_that_nothing_was_to_train(config, tmp_path):
    train(config('prototype'))
    (log,) = (tmp_path / 'run').rglob('*.log')
    text = log.read_text(encoding='utf-8')
    assert 'PrototypeHead: made from the features of 27 training patches' in text
    assert 'nothing in this model trains' in text
    assert 'iter_0.pth' in (tmp_path / 'run' / 'last_checkpoint').read_text()


# -- checkpoints in place of the fit ---------------------------------------------------------------


@pytest.mark.parametrize('name', MADE)
def test_a_checkpoint_stands_in_place_of_the_features(
    config, tmp_path, monkeypatch, assert_same, read_checkpoint, name
):
    options = {'default_hooks.checkpoint.interval': 2}
    train(config(name, options))
    run = tmp_path / 'run'
    last = run / f'iter_{0 if name in WITHOUT_TRAINING else 4}.pth'
    before = read_checkpoint(last)
    if name == 'tip_adapter_f':
        last.unlink()
        (run / 'last_checkpoint').write_text(str(run / 'iter_2.pth'))

    def computed(runner):
        raise AssertionError('the features were computed again')

    monkeypatch.setattr('cite.mm.fitting.training_features', computed)
    train(config(name, options), resume=True)
    after = read_checkpoint(last)
    assert_same(after['state_dict'], before['state_dict'])
    if name == 'tip_adapter_f':
        assert_same(after['optimizer'], before['optimizer'])


def test_nothing_is_tested_that_was_not_made(config, tmp_path):
    for name, message in (('knn', 'is made from training patches'), ('tip_adapter_f', 'trained')):
        with pytest.raises(ConfigError, match=f'{message}.*give the checkpoint to test'):
            evaluate(config(name))
    assert not (tmp_path / 'run' / 'results.json').exists()


def test_a_checkpoint_of_another_head_is_refused(config, tmp_path, finished):
    with pytest.raises(CheckpointError, match='does not fit the model of this config'):
        evaluate(config('knn'), str(finished / 'iter_8.pth'))
    train(config('prototype'))
    with pytest.raises(CheckpointError, match=r'missing \(head\.cache\.keys'):
        evaluate(config('knn'), str(tmp_path / 'run' / 'iter_0.pth'))


def test_an_adapter_with_labels_outside_the_classes_is_refused(config, tmp_path):
    train(config('knn'))
    path = tmp_path / 'run' / 'adapter.safetensors'
    info, state = read_adapter(path)
    state = {name: value.clone() for name, value in state.items()}
    state['head.cache.labels'][0] = 7
    save_adapter(path, state, info)
    with pytest.raises(CheckpointError, match=r'adapter\.safetensors.* labels go from 0 to 7'):
        cite.load(path)


def test_a_head_that_was_made_from_other_patches_is_not_taken_for_these(
    config, tmp_path, tiny_data
):
    train(config('knn'))
    lines = (tiny_data / 'train.csv').read_text().splitlines()
    paths = [lines[0], *(f'{tiny_data}/{line}' for line in lines[2:])]
    (tmp_path / 'train.csv').write_text('\n'.join(paths) + '\n')
    cfg = config('knn')
    cfg.train_dataloader.dataset.ann_file = str(tmp_path / 'train.csv')
    with pytest.raises(ConfigError, match=r'trained on .*train\.csv.*Make it anew: without --res'):
        train(cfg, resume=True)
    assert len(train(cfg).bare_model.head.cache) == 26


# -- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize('name', MADE)
@pytest.mark.parametrize(
    ('tuning', 'neck', 'remedy'),
    [
        ({'type': 'VisualPrompt'}, None, r'model\.backbone\.tuning=None'),
        (['LoRA', 'VisualPrompt'], None, r'model\.backbone\.tuning=None'),
        (None, {'type': 'ProjectionNeck'}, r'model\.neck=None \(or model\.neck\.frozen=True\)'),
        ('LoRA', 'ProjectionNeck', r'model\.backbone\.tuning=None and model\.neck=None'),
    ],
)
def test_features_that_would_move_are_refused_before_anything_is_built(
    config, monkeypatch, name, tuning, neck, remedy
):
    cfg = config(name)
    monkeypatch.setattr('cite.classifier.load_vision', lambda **_: pytest.fail('loaded'))
    cfg.model.backbone.tuning, cfg.model.neck = tuning, neck
    with pytest.raises(ConfigError, match=f'{HEADS[name]["type"]} keeps the features.*{remedy}'):
        train(cfg)


def test_what_the_names_do_not_tell_is_refused_before_a_feature_is_computed(config):
    runner = CiteRunner.from_cfg(config('tip_adapter'))
    runner.bare_model.neck.requires_grad_(True)
    with pytest.raises(ConfigError, match=r'TipAdapterHead keeps .* Set freeze neck\.weight, neck'):
        runner.train()


def test_other_heads_train_under_a_tuning_as_before(config, tmp_path):
    cfg = config('clip_adapter')
    cfg.model.backbone.tuning = {'type': 'VisualPrompt'}
    cfg.model.neck.frozen = False
    names = trainable(train(cfg).bare_model)
    assert {'backbone.tuning.prompt', 'neck.weight', 'head.up.weight'} <= names.keys()


@pytest.mark.parametrize(
    ('cache', 'method', 'told'),
    [
        ('off', 'forward', r'feature of .*\.jpg is not finite \(27 of 27 patches\)'),
        ('on', 'prefix', r'the frozen stages make of .*\.jpg is not finite'),
    ],
)
def test_a_feature_that_is_no_number_is_named(config, cache, method, told):
    runner = CiteRunner.from_cfg(config('knn', {'cache': cache}))
    tower = runner.bare_model.backbone
    real = getattr(tower, method)
    setattr(tower, method, lambda images: real(images) + float('nan'))
    with pytest.raises(TrainingError, match=told):
        runner.train()


def test_a_training_patch_that_cannot_be_read_is_named(config, tmp_path, tiny_data):
    manifest = (tiny_data / 'train.csv').read_text()
    broken = tmp_path / 'broken.jpg'
    broken.write_bytes(b'no picture')
    first = manifest.splitlines()[1].split(',')[0]
    (tmp_path / 'train.csv').write_text(manifest.replace(first, str(broken)))
    cfg = config('knn', {'test_dataloader.num_workers': 1})
    cfg.train_dataloader.dataset.ann_file = str(tmp_path / 'train.csv')
    with pytest.raises(DataError, match=r'broken\.jpg'):
        train(cfg)
    assert not (tmp_path / 'run' / 'iter_0.pth').exists()
