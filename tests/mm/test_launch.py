from __future__ import annotations

import pytest

from cite.errors import ConfigError
from cite.mm.launch import load_config
from cite.tuning import TUNINGS


def test_flags_are_merged(tiny_file, tmp_path):
    options = {'model.backbone.model': 'clip-vit-b16', 'train_dataloader.batch_size': 2}
    cfg = load_config(tiny_file, str(tmp_path), options, amp=True, seed=7)
    assert cfg.work_dir == str(tmp_path)
    assert cfg.model.backbone.model == 'clip-vit-b16'
    assert cfg.model.precision == 'auto'
    assert cfg.randomness.seed == 7
    assert cfg.launcher == 'none'


@pytest.mark.parametrize('config', ['quickstart/cite', 'patchgastric/vpt'])
def test_another_tuning_takes_the_prompts_place_in_one_line(config):
    """Options of the prompt in a base config would stay, and be none of LoRA's."""
    options = {'model.backbone.tuning.type': 'LoRA', 'model.backbone.tuning.r': 4}
    assert TUNINGS.build(load_config(config, options=options).model.backbone.tuning).r == 4
    options = {'model.backbone.tuning': 'LoRA'}
    assert load_config(config, options=options).model.backbone.tuning == 'LoRA'


def test_run_folder_by_default(tiny_file, tmp_path):
    assert load_config(tiny_file).work_dir == 'work_dirs/tiny'
    assert load_config(tiny_file, options={'work_dir': 'x'}).work_dir == 'x'


def test_configs_that_come_with_the_library_go_by_name():
    assert load_config('quickstart/cite').model.backbone.model == 'tiny-tissue'


@pytest.mark.parametrize(
    ('given', 'under_torchrun'),
    [(None, 'pytorch'), ('pytorch', 'pytorch'), ('none', 'pytorch'), ('slurm', 'slurm')],
)
def test_the_launcher_is_the_one_that_is_there(tiny_file, monkeypatch, given, under_torchrun):
    options = {'launcher': given} if given else None
    alone = 'slurm' if given == 'slurm' else 'none'
    monkeypatch.delenv('LOCAL_RANK', raising=False)
    assert load_config(tiny_file, options=options).launcher == alone
    monkeypatch.setenv('LOCAL_RANK', '1')
    assert load_config(tiny_file, options=options).launcher == under_torchrun


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('model = dict(', 'SyntaxError'),
        ('1 / 0', 'ZeroDivisionError'),
        ("_base_ = 'gone.py'", 'gone.py'),
        ("x = __import__('gone')", 'gone'),
    ],
)
def test_files_that_are_no_config(tmp_path, content, message):
    (tmp_path / 'bad.py').write_text(content)
    with pytest.raises(ConfigError, match=f'bad.py cannot be read: .*{message}'):
        load_config(tmp_path / 'bad.py')


def test_options_that_do_not_fit(tiny_file):
    with pytest.raises(ConfigError, match='cannot be read'):
        load_config(tiny_file, options={'train_cfg.max_iters.deeper': 1})


@pytest.mark.parametrize(
    ('option', 'meant'),
    [('optim_wraper.optimizer.lr', 'optim_wrapper.optimizer.lr'), ('stian', 'stain')],
)
def test_an_option_that_is_nearly_one_of_the_config(tiny_file, option, meant):
    with pytest.raises(ConfigError, match=rf'option {option}\); did you mean {meant}\?'):
        load_config(tiny_file, options={option: 1})


def test_new_options_are_free(tiny_file):
    cfg = load_config(tiny_file, options={'stain.method': 'macenko', 'note': 'mine'})
    assert (cfg.stain.method, cfg.note) == ('macenko', 'mine')
