"""Two processes train from a store, augmented, as one does."""

from __future__ import annotations

import torch
from two_processes import in_two

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
    train(config(tiny, 'two', 2))


def test_two_processes_train_as_one_does(tiny, tmp_path, read_checkpoint, monkeypatch):
    monkeypatch.setenv('CITE_CACHE', str(tmp_path / 'cache'))
    in_two(run_rank, tmp_path, tiny, tmp_path)
    assert len(list((tmp_path / 'cache' / 'patches').glob('*.npy'))) == 1
    train(config(tiny, 'one', 4))
    states = [read_checkpoint(tmp_path / f'run_{name}' / 'iter_3.pth') for name in ('one', 'two')]
    torch.testing.assert_close(*(state['state_dict'] for state in states))
