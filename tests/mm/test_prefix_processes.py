"""Two processes compute half of what is kept each, and train on all of it as one process does."""

from __future__ import annotations

import logging

import torch
from two_processes import in_two

from cite.mm.launch import train
from cite.prefix.bank import banks_dir
from cite.prefix.keep import Keeper

LATE = {'type': 'VisualPrompt', 'layers': [1], 'init': 'normal'}


def config(tiny, folder, batch_size):
    cfg = tiny({'train_cfg.max_iters': 4, 'train_dataloader.batch_size': batch_size, 'cache': 'on'})
    cfg.model.backbone.tuning = LATE
    cfg.train_dataloader.dataset.views = 2
    cfg.optim_wrapper.optimizer = {'type': 'SGD', 'lr': 0.1}
    cfg.work_dir = f'{cfg.work_dir}_{folder}'
    cfg.launcher = 'pytorch' if torch.distributed.is_initialized() else 'none'
    return cfg


def run_rank(rank, tiny, folder):
    computed = []
    real = Keeper._forward
    Keeper._forward = lambda self, images: (computed.append(len(images)), real(self, images))[1]
    model = train(config(tiny, 'two', 2)).bare_model
    torch.save([sum(computed), dict(model.state_dict())], folder / f'{rank}.pt')


def test_two_processes_share_the_work(tiny, tmp_path):
    in_two(run_rank, tmp_path, tiny, tmp_path)
    bank = next(banks_dir().iterdir())
    assert len(list(bank.glob('*.values.npy'))) == 2
    one = train(config(tiny, 'one', 4)).bare_model.state_dict()
    for rank in (0, 1):
        computed, state = torch.load(tmp_path / f'{rank}.pt', weights_only=True)
        assert computed == 27 + 2 * 8  # of 27 patches in two views, and a probe, twice
        torch.testing.assert_close(state, dict(one))


def test_an_error_of_one_process_ends_both(tmp_path):
    in_two(fail_in_one, tmp_path, tmp_path)
    assert sorted(path.read_text() for path in tmp_path.glob('*.txt')) == ['full', 'full']


def fail_in_one(rank, place):
    from cite.prefix import processes

    class Bank:
        folder = place

        def open(self):
            pass

        sweep = open

        def find(self, names):
            return type('', (), {'missing': range(len(names))})

    def fill(*_, **__):
        if rank == 1:
            raise OSError(28, 'full')

    processes.fill = fill
    try:
        processes.fill_together(Bank(), None, [b'a', b'b'], 1, logging.getLogger())
    except OSError as error:
        (place / f'{rank}.txt').write_text(error.strerror)
