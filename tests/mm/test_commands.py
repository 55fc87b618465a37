"""The commands that users type: mim, torchrun, cite. Each start takes ten seconds and more."""

from __future__ import annotations

import json

import pytest
import torch
from repo import REPO

from cite.evaluation.metrics import evaluate
from cite.evaluation.predictions import Predictions
from cite.mm.launch import train

pytestmark = pytest.mark.slow

TORCHRUN = ('-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', 2)


def options(**changes):
    return [
        '--cfg-options',
        *(f'{key.replace("__", ".")}={value}' for key, value in changes.items()),
    ]


def test_mim_trains_resumes_and_tests(command, tiny_file, tmp_path, read_checkpoint):
    """From another folder, with --cfg-options, --amp on a CPU, and no workers."""
    run = tmp_path / 'work_dirs' / 'tiny'
    mim = ('-m', 'mim')
    change = options(
        train_cfg__max_iters=4,
        param_scheduler__0__T_max=8,
        default_hooks__checkpoint__interval=2,
        model__backbone__tuning__length=2,
    )
    done = command(*mim, 'train', 'mmpretrain', tiny_file, '--amp', *change)
    assert done.returncode == 0, done.stderr[-2000:]
    first = read_checkpoint(run / 'iter_4.pth')
    assert first['state_dict']['backbone.tuning.prompt'].shape == (1, 2, 192)
    assert first['meta']['iter'] == 4

    change[1] = 'train_cfg.max_iters=8'
    done = command(*mim, 'train', 'mmpretrain', tiny_file, '--amp', '--resume', *change)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'resumed epoch: 0, iter: 4' in done.stdout + done.stderr
    assert read_checkpoint(run / 'iter_8.pth')['meta']['iter'] == 8
    assert (run / 'adapter.safetensors').is_file()

    words = ('test', 'mmpretrain', tiny_file, '--checkpoint')
    done = command(*mim, *words, run / 'iter_8.pth', '--work-dir', run, *change[:1], change[-1])
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'quadratic kappa' in done.stdout + done.stderr
    predictions = Predictions.from_parquet(run / 'predictions.parquet')
    results = json.loads((run / 'results.json').read_text())
    assert results['patch'] == json.loads(json.dumps(evaluate(predictions)['patch']))

    # the checkpoint has prompts of another length than the file says
    done = command(*mim, *words, run / 'iter_8.pth', '--work-dir', run)
    assert done.returncode != 0
    ours, _, mims = done.stderr.partition('error: ')
    assert 'Traceback' not in ours
    message = mims.splitlines()[0]
    assert (
        str(run / 'iter_8.pth') in message
        and 'tuning.prompt is (1, 2, 192), the model has (1, 1, 192)' in message
    )
    frames = mims.split('Traceback')[-1].replace(str(tmp_path), '').replace(str(REPO), '')
    assert 'cite' not in frames, 'mim has its own'


SCRIPT = """
import os, sys, torch
from cite.mm.launch import load_config, test, train

config, out = sys.argv[1:]
torch.set_num_threads(1)
for init in ('normal', 'token'):
    folder = f'{out}/{init}'
    options = {'model.backbone.tuning.init': init, 'train_cfg.max_iters': 4,
               'default_hooks.checkpoint.interval': 2}
    runner = train(load_config(config, folder, options))
    model = runner.bare_model
    assert runner.world_size == 2
    torch.save({'state': model.state_dict(), 'digest': model.backbone.frozen_digest()},
               f'{folder}/rank_{os.environ["RANK"]}.pth')
    test(load_config(config, folder, options), f'{folder}/iter_4.pth')
torch.distributed.destroy_process_group()
"""


@pytest.mark.skipif(torch.cuda.is_available(), reason='compares with one process on a CPU')
def test_two_processes_are_one_with_twice_the_batch(
    command, tiny_file, tiny, tmp_path, read_checkpoint, assert_same
):
    (tmp_path / 'two.py').write_text(SCRIPT)
    done = command(*TORCHRUN, 'two.py', tiny_file, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]

    single = train(
        tiny(
            {
                'model.backbone.tuning.init': 'normal',
                'train_cfg.max_iters': 4,
                'train_dataloader.batch_size': 8,
            }
        )
    )
    state = single.bare_model.state_dict()
    for init in ('normal', 'token'):
        ranks = [read_checkpoint(tmp_path / init / f'rank_{rank}.pth') for rank in (0, 1)]
        saved = read_checkpoint(tmp_path / init / 'iter_4.pth')
        assert_same(dict(ranks[0]['state']), dict(ranks[1]['state']))
        assert_same(dict(ranks[0]['state']), dict(saved['state_dict']))
        assert {rank['digest'] for rank in ranks} == {single.bare_model.backbone.frozen_digest()}
        assert len(saved['random_state']) == 2
        # 9 patches on 2 processes: each is counted once
        predictions = Predictions.from_parquet(tmp_path / init / 'predictions.parquet')
        assert len(set(predictions.files)) == len(predictions) == 9
        results = json.loads((tmp_path / init / 'results.json').read_text())
        assert results['patch']['n'] == 9
        assert list(results['baselines']) == ['colour', 'majority']
        if init == 'normal':
            for name, value in saved['state_dict'].items():
                torch.testing.assert_close(value, state[name], rtol=1e-4, atol=1e-5, msg=name)
        else:
            assert bool(saved['state_dict']['backbone.tuning.initialized'])

    # the command resumes in two processes, with the random state of each
    run = tmp_path / 'normal'
    more = options(model__backbone__tuning__init='normal', train_cfg__max_iters=6)
    done = command(
        *TORCHRUN, '-m', 'cite', 'train', tiny_file, '--work-dir', run, '--resume', *more
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert 'random states start anew' not in done.stdout + done.stderr
    assert read_checkpoint(run / 'iter_6.pth')['meta']['iter'] == 6
