from __future__ import annotations

import json
import os
import shutil

import pytest
import torch

import cite.mm.runner
from cite.cli import main
from cite.errors import CheckpointError, ConfigError
from cite.frozen import trainable
from cite.mm.launch import test as evaluate
from cite.mm.launch import train
from cite.mm.runner import CiteRunner

# -- the frozen part -------------------------------------------------------------------------------


@pytest.mark.parametrize('model', ['random-vit-tiny', 'timm:vit_tiny_patch16_224'])
def test_the_tower_is_never_initialised_again_nor_trained(tiny, model):
    import cite as library

    def digest(runner):
        return runner.bare_model.backbone.frozen_digest()

    options = {'model.backbone.model': model, 'model.backbone.pretrained': False}
    loaded = library.load_vision(model, pretrained=False, image_size=32).frozen_digest()
    runner = CiteRunner.from_cfg(tiny({**options, 'train_cfg.max_iters': 4}))
    assert digest(runner) == loaded
    before = {name: value.clone() for name, value in trainable(runner.bare_model).items()}
    runner._init_model_weights()  # what mmengine does with the children of any BaseModule
    runner.train()
    assert digest(runner) == loaded
    assert not any(p.grad is not None for p in runner.bare_model.backbone.trunk.parameters())
    assert not runner.bare_model.backbone.trunk.training
    for name, value in trainable(runner.bare_model).items():
        assert not torch.equal(value, before[name]), f'{name} did not train'
    assert digest(train(tiny(options), resume=True)) == loaded


def test_a_tower_that_changed_is_found_before_an_adapter_is_written(tiny, tmp_path):
    from cite.errors import TrainingError

    runner = CiteRunner.from_cfg(tiny({'default_hooks.checkpoint.interval': 100}))
    with torch.no_grad():
        runner.bare_model.backbone.trunk.cls_token.add_(1)
    with pytest.raises(TrainingError, match='frozen weights of random-vit-tiny changed'):
        runner.train()
    assert not (tmp_path / 'run' / 'adapter.safetensors').exists()


def test_full_fine_tuning_trains_saves_and_resumes(tiny, tmp_path, assert_same, read_checkpoint):
    def options(folder):
        cfg = tiny({'model.neck': None, 'model.head': 'LinearHead'})
        cfg.model.backbone.tuning = 'FullFineTuning'
        cfg.work_dir = str(tmp_path / folder)
        cfg.train_cfg.max_iters = 4
        cfg.default_hooks.checkpoint.interval = 2
        return cfg

    straight = train(options('straight'))
    assert 'backbone.trunk.blocks.0.attn.qkv.weight' in straight.model.state_dict()
    (tmp_path / 'again').mkdir()
    shutil.copy(tmp_path / 'straight' / 'iter_2.pth', tmp_path / 'again')
    train(options('again'), resume=True)
    results = [read_checkpoint(tmp_path / name / 'iter_4.pth') for name in ('straight', 'again')]
    for part in ('state_dict', 'optimizer'):
        assert_same(results[0][part], results[1][part])


# -- files of a run --------------------------------------------------------------------------------


def test_written_config_is_whole_and_starts_the_run_again(
    finished, tmp_path, assert_same, read_checkpoint
):
    from cite.mm.launch import load_config

    cfg = load_config(finished / 'config.py', str(tmp_path / 'run'))
    assert cfg.model.neck.in_features == 192 and cfg.model.neck.out_features == 128
    assert cfg.model.classes == ['well', 'moderate', 'poor']
    assert 'resume' not in cfg and cfg.launcher == 'none'
    train(cfg)
    results = [read_checkpoint(folder / 'iter_8.pth') for folder in (finished, tmp_path / 'run')]
    assert_same(results[0]['state_dict'], results[1]['state_dict'])


def test_how_a_run_was_started_is_not_in_its_config(tiny, tmp_path, stopped):
    from mmengine.config import Config

    checkpoint = stopped / 'iter_4.pth'
    train(tiny(), resume=str(checkpoint))
    written = Config.fromfile(stopped / 'config.py')
    assert not {'resume', 'load_from', 'launcher'} & written.keys()
    evaluate(tiny(), str(checkpoint))
    assert 'load_from' not in Config.fromfile(stopped / 'config_test.py')


def test_testing_leaves_the_config_of_the_training(finished):
    from mmengine.config import Config

    for name in ('config.py', 'config_test.py'):
        assert Config.fromfile(finished / name).model.head.text_encoder.model == 'random-bert-tiny'


def test_unwritable_run_folder(tiny, tmp_path):
    (tmp_path / 'file').touch()
    for folder in (tmp_path / 'file', tmp_path / 'file' / 'sub'):
        cfg = tiny()
        cfg.work_dir = str(folder)
        with pytest.raises(ConfigError, match=r'work_dir .* cannot be written: .*Choose another'):
            train(cfg)


@pytest.mark.skipif(os.geteuid() == 0, reason='root writes everywhere')
def test_read_only_run_folder(tiny, tmp_path):
    (tmp_path / 'run').mkdir(mode=0o500)
    with pytest.raises(ConfigError, match='cannot be written: Permission denied'):
        train(tiny())


def test_runs_of_one_process_share_nothing(tiny, tmp_path, monkeypatch):
    """mmengine's logs, message hubs and folders go by the second."""
    monkeypatch.setattr('time.strftime', lambda *args: '20260101_000000')
    runners = []
    for name in ('a', 'b'):
        cfg = tiny()
        cfg.work_dir = str(tmp_path / name)
        runners.append(CiteRunner.from_cfg(cfg))
    assert runners[0].message_hub is not runners[1].message_hub
    assert runners[0].logger is not runners[1].logger
    assert runners[0].experiment_name != runners[1].experiment_name


# -- training and testing --------------------------------------------------------------------------


def test_testing_in_the_same_process_takes_the_trained_weights(tiny, finished):
    assert train(tiny()).test() == json_summary(finished)


def json_summary(folder):
    from cite.mm.metric import SUMMARY

    found = json.loads((folder / 'results.json').read_text())
    return {
        f'{level}/{name}': found[level][name] for level in ('patch', 'slide') for name in SUMMARY
    }


def test_untrained_weights_are_not_tested(tiny, tmp_path):
    with pytest.raises(ConfigError, match='give the checkpoint to test'):
        evaluate(tiny())
    assert not (tmp_path / 'run' / 'config_test.py').exists()


NOTHING_TRAINS = {
    'model.backbone.tuning': None,
    'model.neck': None,
    'model.head': {
        'type': 'ZeroShotHead',
        'texts': ['red', 'green', 'blue'],
        '_delete_': True,
        'text_encoder': {'type': 'CLIPTextEncoder', 'model': 'random-vit-tiny'},
    },
}


@pytest.fixture
def zero_shot(tiny, monkeypatch):
    """Config of a zero-shot classifier, its text tower stood in for by a fixed answer."""
    from cite.anchors import Anchors

    def embed(texts, text_encoder):
        generator = torch.Generator().manual_seed(0)
        values = torch.randn(len(texts), 192, generator=generator)
        return Anchors(values, tuple(texts), {'model': text_encoder['model'], 'logit_scale': 2.0})

    monkeypatch.setattr('cite.anchors.ensemble.embed_texts', embed)

    def config(options=None):
        cfg = tiny(options)
        head = {**NOTHING_TRAINS['model.head']}
        del head['_delete_']
        cfg.model.backbone.tuning = cfg.model.neck = None
        cfg.model.head = head
        return cfg

    return config


def test_zero_shot_is_tested_without_a_checkpoint(zero_shot, tmp_path):
    none = dict.fromkeys(('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler'))
    for cfg in (zero_shot(), zero_shot({**none, 'val_cfg': {}})):
        assert 'patch/auroc' in evaluate(cfg)
    about = json.loads((tmp_path / 'run' / 'results.json').read_text())['about']
    assert about['checkpoint'] is None and about['trained_parameters'] == 0
    assert about['text_encoder']['model'] == 'random-vit-tiny'


def test_training_what_does_not_train_points_to_testing(zero_shot):
    from cite.errors import TrainingError

    with pytest.raises(TrainingError, match=r'nothing in this model trains.*cite test CONFIG'):
        train(zero_shot())
    none = dict.fromkeys(('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler'))
    with pytest.raises(ConfigError, match=r'no training .*cite test CONFIG'):
        train(zero_shot(none))


def test_nothing_to_resume_starts_anew(tiny, finished, assert_same, read_checkpoint, tmp_path):
    train(tiny(), resume=True)
    results = [read_checkpoint(folder / 'iter_8.pth') for folder in (finished, tmp_path / 'run')]
    assert_same(results[0]['state_dict'], results[1]['state_dict'])


def test_a_finished_run_is_not_trained_further(tiny, finished, tmp_path):
    shutil.copytree(finished, tmp_path / 'run')
    before = (tmp_path / 'run' / 'iter_8.pth').read_bytes()
    assert train(tiny(), resume=True).iter == 8
    assert (tmp_path / 'run' / 'iter_8.pth').read_bytes() == before


def test_moving_averages_of_the_whole_tower_are_refused(tiny):
    with pytest.raises(ConfigError, match='EMAHook'):
        train(tiny({'custom_hooks': [{'type': 'EMAHook'}]}))


def test_launchers_that_need_gpus_say_so(tiny, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(ConfigError, match="launcher 'slurm' without GPUs"):
        CiteRunner.from_cfg(tiny({'launcher': 'slurm'}))


def test_the_command_line_prints_one_line(tiny_file, tmp_path, capsys, finished):
    def error(*words):
        assert main([*map(str, words), '--work-dir', str(tmp_path / 'run')]) == 2
        return [line for line in capsys.readouterr().err.splitlines() if 'error' in line]

    assert 'no such file' in error('test', tiny_file, tmp_path / 'gone.pth')[0]
    assert "option 'lenght'" in ' '.join(
        error('train', tiny_file, '--cfg-options', 'model.backbone.tuning.lenght=2')
    )
    assert len(error('test', tiny_file)) == 1
    with pytest.raises(CheckpointError):
        main(['test', str(tiny_file), 'gone.pth', '--work-dir', str(tmp_path / 'run'), '--debug'])


def test_precision_of_a_run_is_recorded(tiny, tmp_path):
    train(tiny({'model.precision': 'bf16', 'train_cfg.max_iters': 2}))
    evaluate(tiny({'model.precision': 'bf16'}), str(tmp_path / 'run' / 'iter_2.pth'))
    about = json.loads((tmp_path / 'run' / 'results.json').read_text())['about']
    assert about['precision'] == 'bf16'


def test_validation_in_training(tiny, tmp_path):
    cfg = tiny({'train_cfg.val_interval': 4})
    cfg.val_dataloader = cfg.test_dataloader.copy()
    runner = train(cfg)
    history = runner.message_hub.log_scalars['val/slide/auroc'].data[0]
    assert len(history) == 2  # after iterations 4 and 8
    assert not (tmp_path / 'run' / 'results.json').exists()  # of the test set only


def test_probe_of_the_run_folder_leaves_nothing(tmp_path):
    cite.mm.base_runner._check_writable(tmp_path / 'new' / 'run')
    assert list((tmp_path / 'new' / 'run').iterdir()) == []


def test_the_log_begins_with_what_computes_on_one_line(tiny, tmp_path):
    runner = CiteRunner.from_cfg(tiny())
    (log,) = (tmp_path / 'run').rglob('*.log')
    lines = log.read_text(encoding='utf-8').splitlines()
    assert f'torch {torch.__version__.split("+")[0]}' in lines[0] and 'seed 0' in lines[0]
    assert len(lines) < 15 and 'train_dataloader' not in '\n'.join(lines)
    assert runner.work_dir in lines[0]
