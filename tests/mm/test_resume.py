"""A run that was stopped goes on as if it had not been, bit for bit, without decoding the past again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cite.adapter import read_info
from cite.data.samplers import TrainBatchSampler
from cite.errors import ConfigError
from cite.mm.launch import train
from cite.mm.runner import CiteRunner

SAME = ('state_dict', 'optimizer', 'param_schedulers', 'random_state')


@pytest.fixture
def decoded(monkeypatch):
    """Names of the images in the order in which this process decodes them."""
    import cite.data.dataset

    names: list[str] = []
    real = cite.data.dataset.load_rgb

    def load(path):
        names.append(Path(path).name)
        return real(path)

    monkeypatch.setattr(cite.data.dataset, 'load_rgb', load)
    return names


def drawn(table, iterations, batch_size=4):
    """What the sampler gives in these iterations."""
    sampler = TrainBatchSampler(table.labels, table.slides, batch_size, seed=0, balance='slide')
    rows = [draw.index for iteration in iterations for draw in sampler.batch(iteration)]
    return [table.path(row).name for row in rows]


def test_a_resumed_run_ends_like_the_one_that_was_not_stopped(
    tiny, stopped, finished, decoded, read_checkpoint, assert_same
):
    runner = train(tiny(), resume=True)
    table = runner.train_dataloader.dataset.table
    assert decoded == drawn(table, range(4, 8))  # nothing of the past, nothing beyond the end
    assert len(table) == 27
    results = [read_checkpoint(folder / 'iter_8.pth') for folder in (finished, stopped)]
    for part in SAME:
        assert_same(results[0][part], results[1][part])
    hubs = [result['message_hub']['log_scalars'] for result in results]
    for name in ('train/loss', 'train/lr', 'train/accuracy'):
        assert len(hubs[0][name][0]) == 8
        assert hubs[0][name] == hubs[1][name]
    assert (stopped / 'last_checkpoint').read_text() == str(stopped / 'iter_8.pth')
    adapters = [(folder / 'adapter.safetensors').stat().st_size for folder in (finished, stopped)]
    assert abs(adapters[0] - adapters[1]) < 200


@pytest.mark.parametrize('val_interval', [3, 4])  # beside the checkpoint, and right behind it
def test_what_is_drawn_in_training_goes_on_too(
    val_interval, tiny, tmp_path, monkeypatch, read_checkpoint, assert_same
):
    """Dropout stands for every method that draws from the generators while it trains."""
    import shutil

    import numpy as np
    import torch

    from cite.necks.projection import ProjectionNeck

    real = ProjectionNeck.forward

    def forward(self, features):
        noisy = real(self, torch.nn.functional.dropout(features, 0.5, self.training))
        return noisy * (1 + 0.1 * np.random.rand()) if self.training else noisy

    monkeypatch.setattr(ProjectionNeck, 'forward', forward)
    results = []
    for name in ('whole', 'again'):
        cfg = tiny()
        cfg.val_dataloader, cfg.train_cfg.val_interval = cfg.test_dataloader.copy(), val_interval
        cfg.work_dir = str(tmp_path / name)
        if results:
            (tmp_path / name).mkdir()
            shutil.copy(tmp_path / 'whole' / 'iter_4.pth', tmp_path / name)
        train(cfg, resume=bool(results))
        results.append(read_checkpoint(tmp_path / name / 'iter_8.pth'))
    for part in SAME:
        assert_same(results[0][part], results[1][part])


def test_a_whole_run_decodes_what_the_sampler_draws(tiny, decoded):
    runner = train(tiny({'train_cfg.max_iters': 3}))
    assert decoded == drawn(runner.train_dataloader.dataset.table, range(3))


def test_past_images_may_be_gone(tiny, stopped, finished, tiny_data, tmp_path):
    """What was only drawn before the checkpoint is damaged: nobody looks at it."""
    import shutil

    data = shutil.copytree(tiny_data, tmp_path / 'data')
    table = CiteRunner.from_cfg(tiny()).train_dataloader.dataset.table
    past = set(drawn(table, range(4))) - set(drawn(table, range(4, 8)))
    assert past
    for name in past:
        (data / 'images' / name).write_bytes(b'gone')
    assert train(tiny({'data_root': str(data)}), resume=True).iter == 8


def test_other_training_data_are_told(tiny, stopped, tiny_data, tmp_path):
    lines = (tiny_data / 'train.csv').read_text().splitlines()
    (tmp_path / 'few.csv').write_text('\n'.join([line for line in lines if '0_1' not in line]))
    file = str(tmp_path / 'few.csv')
    train(tiny({'train_dataloader.dataset.ann_file': file}), resume=True)
    log = ''.join(path.read_text() for path in stopped.rglob('*.log'))
    assert f'was trained on {tiny_data / "train.csv"}, and the config names {file}' in log
    info = read_info(stopped / 'adapter.safetensors')
    assert info.training['data']['train']['source'] == file


def test_workers_change_nothing(tiny, stopped, finished, read_checkpoint, assert_same):
    train(tiny({'train_dataloader.num_workers': 2}), resume=True)
    results = [read_checkpoint(folder / 'iter_8.pth') for folder in (finished, stopped)]
    for part in SAME:
        assert_same(results[0][part], results[1][part])


def test_workers_fetch_nothing_beyond_the_end(tiny):
    runner = CiteRunner.from_cfg(tiny({'train_cfg.max_iters': 5}))
    batches = runner.build_train_loop(runner._train_loop).dataloader.batch_sampler
    assert len(list(batches)) == 5


def test_another_checkpoint_than_the_last_can_be_resumed(
    tiny, finished, tmp_path, assert_same, read_checkpoint
):
    train(tiny(), resume=str(finished / 'iter_4.pth'))
    results = [read_checkpoint(folder / 'iter_8.pth') for folder in (finished, tmp_path / 'run')]
    for part in SAME:
        assert_same(results[0][part], results[1][part])


def test_resuming_with_another_number_of_processes_warns(
    tiny, stopped, read_checkpoint, caplog, capfd
):
    import torch

    checkpoint = read_checkpoint(stopped / 'iter_4.pth')
    checkpoint['random_state'] *= 2
    torch.save(checkpoint, stopped / 'iter_4.pth')
    assert train(tiny(), resume=True).iter == 8
    text = ''.join(path.read_text() for path in stopped.glob('*/*.log'))
    assert 'resumed with 1 processes, saved with 2' in text


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'train_cfg.val_interval': 0}, 'must be at least 1'),
        ({'train_dataloader.sampler.type': 'DefaultSampler'}, "must be 'PatchSampler'"),
    ],
)
def test_the_loop_refuses_what_it_cannot_resume(tiny, options, message):
    cfg = tiny(options)
    if 'train_dataloader.sampler.type' in options:
        del cfg.train_dataloader.sampler['balance']
    with pytest.raises(ConfigError, match=message):
        train(cfg)


@pytest.mark.slow
def test_kill_9(load_tiny, tiny_file, environment, tmp_path, read_checkpoint, assert_same):
    """Killed at any point after a checkpoint, `--resume` ends with the same bits."""
    options = {'train_cfg.max_iters': 60, 'default_hooks.checkpoint.interval': 10}
    # so that nothing of the check depends on how fast this process sums up
    words = [sys.executable, '-m', 'cite', 'train', str(tiny_file), '--cfg-options']
    words += [f'{key}={value}' for key, value in options.items()]

    def start(folder, *more):
        log = (tmp_path / f'{folder}.log').open('a')
        return subprocess.Popen(
            [*words, '--work-dir', str(tmp_path / folder), *more],
            env=environment,
            cwd=tmp_path,
            stdout=log,
            stderr=log,
        )

    whole = start('whole')
    killed = start('killed')
    deadline = time.time() + 180
    while time.time() < deadline and not (tmp_path / 'killed' / 'iter_20.pth').exists():
        assert killed.poll() is None, (tmp_path / 'killed.log').read_text()[-2000:]
        time.sleep(0.01)
    time.sleep(0.1)  # some iterations further
    os.kill(killed.pid, signal.SIGKILL)
    assert killed.wait(60) == -signal.SIGKILL
    assert not (tmp_path / 'killed' / 'iter_60.pth').exists(), 'it was done before it was killed'
    again = start('killed', '--resume')
    assert again.wait(180) == 0, (tmp_path / 'killed.log').read_text()[-2000:]
    assert whole.wait(180) == 0
    results = [read_checkpoint(tmp_path / name / 'iter_60.pth') for name in ('whole', 'killed')]
    for part in SAME:
        assert_same(results[0][part], results[1][part])
    assert 'Iter(train) [60/60]' in (tmp_path / 'killed.log').read_text()
