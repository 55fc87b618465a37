"""Two processes train from a store, augmented, as one does."""

from __future__ import annotations

import os

import pytest
import torch

from cite.mm.launch import train


def config(tiny, folder, batch_size):
    """A batch of the same patches, in one process or in two; SGD lets rounding be."""
    cfg = tiny(
        {
            'train_cfg.max_iters': 3,
            'train_dataloader.batch_size': batch_size,
            'train_dataloader.dataset.store': True,
            'cache': 'off',
        }
    )
    # its start would be drawn, from generators that differ between these processes
    cfg.model.backbone.tuning = None
    cfg.optim_wrapper.optimizer = {'type': 'SGD', 'lr': 0.1}
    cfg.work_dir = f'{cfg.work_dir}_{folder}'
    cfg.launcher = 'pytorch' if torch.distributed.is_initialized() else 'none'
    return cfg


def run_rank(rank, tiny, folder):
    torch.set_num_threads(1)
    os.environ.update(LOCAL_RANK=str(rank), RANK=str(rank), WORLD_SIZE='2')
    torch.distributed.init_process_group('gloo', f'file://{folder}/ranks', rank=rank, world_size=2)
    train(config(tiny, 'two', 2))
    torch.distributed.destroy_process_group()


@pytest.mark.skipif(torch.cuda.is_available(), reason='processes that are forked share no GPU')
def test_two_processes_train_as_one_does(tiny, tmp_path, read_checkpoint, monkeypatch):
    monkeypatch.setenv('CITE_CACHE', str(tmp_path / 'cache'))
    # forked, so that neither has to import everything once more
    torch.multiprocessing.start_processes(run_rank, (tiny, tmp_path), nprocs=2, start_method='fork')
    assert len(list((tmp_path / 'cache' / 'patches').glob('*.npy'))) == 1
    train(config(tiny, 'one', 4))
    states = [read_checkpoint(tmp_path / f'run_{name}' / 'iter_3.pth') for name in ('one', 'two')]
    torch.testing.assert_close(*(state['state_dict'] for state in states))
