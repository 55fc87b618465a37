"""Old configs in, configs of cite out: everything carried, noted or refused by name."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from old_cite import CITE, CONFIGS, TEXTS, read_config, tiny_clip, write_configs
from PIL import Image
from tiny_models import save_tiny_bert

from cite.errors import ConfigError
from cite.migrate import migrate_config
from cite.migrate.options import Options
from cite.mm import launch
from cite.mm.launch import load_config
from cite.mm.resolve import resolve

FIXED, ORIGINAL = Options(), Options(original=True)
ZERO_SHOT = next(name for name in CONFIGS if name.startswith('zeroshot'))
TRAINING = [name for name in CONFIGS if name != ZERO_SHOT]


@pytest.fixture(scope='module')
def old(tmp_path_factory):
    """Name → the old config with everything that it inherits."""
    paths = write_configs(tmp_path_factory.mktemp('old'))
    return {name: read_config(path) for name, path in paths.items()}


def changed(config: dict[str, Any], **dotted: Any) -> dict[str, Any]:
    """A copy in which `a__b=value` sets config['a']['b']."""
    config = copy.deepcopy(config)
    for path, value in dotted.items():
        *way, last = path.split('__')
        place = config
        for key in way:
            place = place.setdefault(key, {})
        place[last] = value
    return config


def load(text: str, folder, **options: Any):
    file = folder / 'migrated.py'
    file.write_text(text, encoding='utf-8')
    return load_config(file, **options)


@pytest.mark.parametrize('options', [FIXED, ORIGINAL], ids=['fixed', 'original'])
@pytest.mark.parametrize('name', CONFIGS)
def test_every_published_config_resolves(old, tmp_path, name, options):
    cfg = resolve(load(migrate_config(old[name], options, name).text, tmp_path), 'cpu')
    assert cfg.runner_type == 'CiteRunner'
    assert cfg.model.backbone.model == 'clip-vit-b16'
    assert len(cfg.model.classes) == 3 and cfg.model.classes[2].startswith('poorly')
    assert cfg.test_dataloader.dataset.ann_file == 'data/gastric_cls3_ann/val_0.8.txt'
    assert cfg.test_dataloader.dataset.data_prefix == 'data/patches_captions/'
    steps = [step.type for step in cfg.test_dataloader.dataset.pipeline]
    assert steps == ['ResizePatch', *(['OriginalAugment'] if options.original else [])]
    assert (cfg.model.backbone.get('mean') is not None) == options.original
    if name != ZERO_SHOT:
        assert cfg.train_cfg.max_iters == 1000 and cfg.train_dataloader.num_workers == 12
        assert cfg.optim_wrapper.optimizer == old[name]['optimizer']


def test_the_method_of_the_paper(old, tmp_path):
    cfg = load(migrate_config(old[CITE]).text, tmp_path)
    model = cfg.model.to_dict()
    assert model['backbone']['tuning'] == {'type': 'VisualPrompt', 'length': 1, 'init': 'token'}
    assert model['neck'] == {'type': 'ProjectionNeck', 'init': 'normal_identity'}
    assert model['head']['texts'] == TEXTS and model['head']['temperature'] == 4.6052
    encoder = {'type': 'TextEncoder', 'model': 'michiyasunaga/BioLinkBERT-large'}
    assert model['head']['text_encoder'] == {**encoder, 'pooling': 'pooler_output'}
    assert cfg.train_dataloader.sampler == {'type': 'PatchSampler', 'balance': 'class'}
    assert cfg.train_dataloader.batch_size == 64
    original = load(migrate_config(old[CITE], ORIGINAL).text, tmp_path)
    assert original.train_dataloader.sampler == {
        'type': 'OriginalSampler',
        'balance': 'patch',
        'workers': 12,
    }
    assert original.model.backbone.tuning.type == 'OriginalVisualPrompt'
    assert original.model.precision == 'fp32' and original.train_dataloader.dataset.keep_order


def test_the_others(old, tmp_path):
    models = {name: load(migrate_config(old[name]).text, tmp_path).model for name in CONFIGS}
    vpt, linear, finetune, zero_shot = (models[name] for name in list(CONFIGS)[1:])
    assert vpt.backbone.tuning.init == 'normal'  # the default of the original
    assert 'tuning' not in linear.backbone and linear.head == {'type': 'LinearHead'}
    assert finetune.backbone.tuning == {'type': 'FullFineTuning'}
    assert zero_shot.head.text_encoder == {'type': 'CLIPTextEncoder'}
    assert load(migrate_config(old[ZERO_SHOT]).text, tmp_path).optim_wrapper is None


@pytest.mark.parametrize('name', TRAINING)
def test_learning_rates_are_those_of_the_original(old, parity, tmp_path, name):
    expected = np.load(parity('data/lr_schedule.npz'))[name]
    np.testing.assert_allclose(rates(old[name], tmp_path, 1000), expected, rtol=1e-9)


def rates(config: dict[str, Any], folder, count: int) -> list[float]:
    """The learning rate of each iteration of the migrated config."""
    from mmengine.registry import PARAM_SCHEDULERS

    cfg = resolve(load(migrate_config(config).text, folder), 'cpu')
    options = dict(cfg.optim_wrapper.optimizer)
    optimizer = getattr(torch.optim, options.pop('type'))(
        [torch.nn.Parameter(torch.ones(1))], **options
    )
    schedulers = [
        PARAM_SCHEDULERS.build({**spec, 'optimizer': optimizer}) for spec in cfg.param_scheduler
    ]
    found = []
    for _ in range(count):
        found.append(optimizer.param_groups[0]['lr'])
        optimizer.step()
        for scheduler in schedulers:
            scheduler.step()
    return found


def test_warm_up_from_the_formula(old, tmp_path):
    """mmcv: the rate of the policy times ratio + (1 - ratio)·i/W (linear), or times ratio (constant)."""
    i = np.arange(60)
    cosine = 0.03 * (1 + np.cos(np.pi * i / 60)) / 2
    linear = np.where(i < 8, 0.1 + 0.9 * i / 8, 1.0)
    config = changed(
        old[CITE],
        runner__max_iters=60,
        lr_config__warmup='linear',
        lr_config__warmup_iters=8,
        lr_config__warmup_ratio=0.1,
    )
    np.testing.assert_allclose(rates(config, tmp_path, 60), cosine * linear, rtol=1e-9)
    steps = {'policy': 'step', 'step': [10, 40], 'gamma': 0.5, 'by_epoch': False}
    constant = {'warmup': 'constant', 'warmup_iters': 5, 'warmup_ratio': 0.2}
    expected = 0.03 * 0.5 ** ((i >= 10) + 0.0 + (i >= 40)) * np.where(i < 5, 0.2, 1.0)
    config = changed(old[CITE], lr_config={**steps, **constant})
    np.testing.assert_allclose(rates(config, tmp_path, 60), expected, rtol=1e-9)


@pytest.fixture(scope='module')
def world(tmp_path_factory):
    """A folder as the original is run in, with 18 patches; a tiny CLIP and a tiny BERT beside it."""
    root = tmp_path_factory.mktemp('world')
    patches, annotations = root / 'data/patches_captions', root / 'data/gastric_cls3_ann'
    patches.mkdir(parents=True)
    annotations.mkdir()
    lines: dict[str, list[str]] = {'train_all_0.2': [], 'val_0.8': []}
    rng = np.random.default_rng(0)
    for label in range(3):
        for slide in range(3):
            for patch in range(2):
                file = f'slide{label}{slide}_{patch}.png'
                pixels = rng.integers(60 * label, 60 * label + 90, (40, 40, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(patches / file)
                lines['val_0.8' if slide == 2 else 'train_all_0.2'].append(f'{file} {label}')
    for name, content in lines.items():
        (annotations / f'{name}.txt').write_text('\n'.join(content) + '\n')
    base, _ = tiny_clip(root / 'models' / 'clip')
    return root, base, save_tiny_bert(root / 'models' / 'bert')


@pytest.mark.parametrize(
    ('name', 'original'),
    [(CITE, True), *((name, number % 2) for number, name in enumerate(TRAINING))],
)
def test_every_published_config_trains(old, world, tmp_path, monkeypatch, name, original):
    root, base, bert = world
    monkeypatch.setattr('mmengine.config.config.FormatCode', lambda text, **style: (text, False))
    monkeypatch.chdir(root)
    options = Options(bool(original), model=str(base), text_encoder=str(bert))
    text = migrate_config(old[name], options, name).text
    small = {'train_cfg.max_iters': 2, 'baselines': []}
    for loader in ('train_dataloader', 'test_dataloader'):
        small |= {f'{loader}.batch_size': 4, f'{loader}.num_workers': 0}
    cfg = load(text, tmp_path, work_dir=str(tmp_path / 'run'), options=small)
    runner = launch.train(cfg)
    assert runner.iter == 2
    assert (tmp_path / 'run' / 'adapter.safetensors').is_file()
    if name == CITE:
        cfg = load(text, tmp_path, work_dir=str(tmp_path / 'run'), options=small)
        found = launch.test(cfg, str(tmp_path / 'run' / 'iter_2.pth'))
        assert ('original/mean_bag_accuracy' in found) == original


REFUSED = {
    'data__train__feature_file': 'features/train',
    'data__train__type': 'ImageNet',
    'data__train__flip': True,
    'model__backbone__arch': 'RN50',
    'model__backbone__with_cp': True,
    'model__backbone__fix': False,
    'model__backbone__proj': False,
    'model__neck__dtype': 'float64',
    'model__head__type': 'ArcFaceHead',
    'model__head__loss': {'type': 'FocalLoss'},
    'model__head__text_encoder__text_feature_file': 'texts.pt',
    'model__head__text_encoder__key': 'mean',
    'model__train_cfg': {'augments': []},
    'evaluation__metric_options': {'agg_hard': True},
    'evaluation__save_best': 'auto',
    'runner__type': 'EpochBasedRunner',
    'lr_config__policy': 'poly',
    'lr_config__warmup': 'exp',
    'lr_config__by_epoch': True,
    'lr_config__min_lr': 1e-5,
    'optimizer__type': 'LARS',
    'optimizer__paramwise_cfg': {'norm_decay_mult': 0},
    'optimizer_config__type': 'GradientCumulativeOptimizerHook',
    'load_from': 'other.pth',
    'resume_from': 'other.pth',
    'custom_hooks': [{'type': 'EMAHook'}],
    'workflow': [('train', 1), ('val', 1)],
}


@pytest.mark.parametrize('path', REFUSED)
def test_what_cannot_be_carried_is_named(old, path):
    config = changed(old[CITE], **{path: REFUSED[path]})
    if path == 'model__head__type':
        config['model']['head'] = {'type': 'ArcFaceHead'}
    with pytest.raises(ConfigError) as error:
        migrate_config(config, source='old.py')
    told = str(error.value)
    assert told.startswith('old.py cannot be migrated: ') and '\n' not in told
    assert path.replace('__', '.') in told


def test_a_projection_that_does_not_train_stays_so(old):
    assert 'frozen=True' in migrate_config(changed(old[CITE], model__neck__fix=True)).text
    assert 'frozen' not in migrate_config(old[CITE]).text.split('model =')[1].split('head=')[0]


def test_all_refusals_at_once(old):
    config = changed(old[CITE], **{path: REFUSED[path] for path in list(REFUSED)[:8]})
    with pytest.raises(ConfigError, match=r'feature_file.*RN50|RN50.*feature_file') as error:
        migrate_config(config)
    assert 'in all' in str(error.value)


@pytest.mark.parametrize('config', [{}, {'model': {}}, {'model': 3, 'data': {}}])
def test_no_config_of_the_original(config):
    with pytest.raises(ConfigError, match='no config of the original code'):
        migrate_config(config)


def test_a_vision_transformer_needs_a_name(old):
    backbone = {
        'type': 'PromptedVisionTransformer',
        'arch': 'b',
        'img_size': 384,
        'patch_size': 16,
        'prompt_pos': 'add',
        'init_cfg': {'type': 'Pretrained', 'checkpoint': 'moco.pth', 'prefix': 'backbone.'},
    }
    config = changed(old[CITE], model__backbone=backbone)
    with pytest.raises(ConfigError, match='--model vit-b16-in21k'):
        migrate_config(config)
    migrated = migrate_config(config, Options(model='vit-b16-in21k'))
    for part in ("model='vit-b16-in21k'", "weights='moco.pth'", 'image_size=384', "position='add'"):
        assert part in migrated.text
    assert any('did nothing' in note for note in migrated.notes)
    assert (
        'OriginalVisualPrompt'
        not in migrate_config(config, Options(original=True, model='vit-b16-in21k')).text
    )
    backbone['patch_size'] = 32
    with pytest.raises(ConfigError, match=r'patch_size=32 \(vit-b16-in21k has 16\)'):
        migrate_config(changed(config, model__backbone=backbone), Options(model='vit-b16-in21k'))


def test_details_that_change_numbers(old, tmp_path):
    config = changed(
        old[CITE],
        model__backbone__prompt_layers=[2, 1],
        model__head__learnable_t=True,
        model__head__text_encoder__key='last_hidden_state',
        model__neck__act_after='ReLU',
        data__train__patch_balance=False,
        data__train__slide_balance=True,
        optimizer_config={'grad_clip': {'max_norm': 1.0}},
        evaluation__interval=250,
        seed=7,
    )
    migrated = migrate_config(config)
    cfg = load(migrated.text, tmp_path)
    assert cfg.model.backbone.tuning.layers == [1, 2]
    assert any('block 0 whether listed or not' in note for note in migrated.notes)
    assert cfg.model.head.learnable_temperature is True
    assert cfg.model.head.text_encoder.pooling == 'cls'
    assert cfg.model.neck.act_after == 'ReLU'
    assert cfg.train_dataloader.sampler.balance == 'slide'
    assert cfg.optim_wrapper.clip_grad == {'max_norm': 1.0}
    assert cfg.randomness.seed == 7
    assert cfg.train_cfg.val_interval == 250
    assert cfg.val_dataloader.dataset.ann_file.endswith('val_0.8.txt')
    resolve(cfg, 'cpu')


def test_clips_own_preprocessing_needs_no_other_normalisation(old, tmp_path):
    pipeline = [
        {'type': 'CLIPPreprocess', 'arch': 'ViT-B/16'},
        {'type': 'Collect', 'keys': ['img']},
    ]
    parts = {f'data__{part}__pipeline': pipeline for part in ('train', 'val', 'test')}
    cfg = load(migrate_config(changed(old[CITE], **parts), ORIGINAL).text, tmp_path)
    assert 'mean' not in cfg.model.backbone
    assert resolve(cfg, 'cpu').test_dataloader.dataset.pipeline[0].how == 'shortest'
    mixed = changed(old[CITE], data__test__pipeline=pipeline)
    with pytest.raises(ConfigError, match='normalise in different ways'):
        migrate_config(mixed)


def test_the_text_says_what_was_left_out(old):
    migrated = migrate_config(old[CITE], source='mine.py')
    assert migrated.text.startswith('# Made by `cite migrate` from mine.py')
    assert 'Protocol: fixed' in migrated.text
    told = ' '.join(line.strip('# ') for line in migrated.text.splitlines())
    for note in migrated.notes:
        assert ' '.join(note.split()) in ' '.join(told.split())
    assert any('float16' in note for note in migrated.notes)
    assert not any('run_name' in note for note in migrated.notes)  # a variable, read by nothing


def test_hostile_names_stay_text(old, tmp_path):
    evil = "x'); import os; os.mkdir('owned') #\nimport os; os.mkdir('owned')"
    config = changed(old[CITE], data__train__ann_file=evil, work_dir=evil)
    cfg = load(migrate_config(config, source='a\nimport os').text, tmp_path)
    assert cfg.train_dataloader.dataset.ann_file == evil
