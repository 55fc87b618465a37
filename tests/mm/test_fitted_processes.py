"""Two processes make the head that one makes, and train it as one does."""

from __future__ import annotations

import torch
from two_processes import in_two

from cite.mm.launch import train

HEADS = {
    'KNNHead': {'type': 'KNNHead', 'k': 5},
    'TipAdapterHead': {'type': 'TipAdapterHead', 'trains': True},
}


def config(tiny, name, folder, batch_size):
    """A batch of the same patches, in one process or in two; SGD lets rounding be."""
    cfg = tiny({'train_cfg.max_iters': 3, 'train_dataloader.batch_size': batch_size})
    texts = {key: cfg.model.head[key] for key in ('texts', 'text_encoder')}
    cfg.model.backbone.tuning, cfg.model.neck.frozen = None, True
    if name == 'KNNHead':
        cfg.model.neck, texts = None, {}
    cfg.model.head = {**HEADS[name], **texts}
    cfg.optim_wrapper.optimizer = {'type': 'SGD', 'lr': 0.1}
    cfg.work_dir = f'{cfg.work_dir}_{folder}_{name}'
    cfg.launcher = 'pytorch' if torch.distributed.is_initialized() else 'none'
    return cfg


def run_rank(rank, tiny, folder):
    for name in HEADS:
        model = train(config(tiny, name, 'two', 2)).bare_model
        torch.save(dict(model.head.state_dict()), folder / f'{name}{rank}.pt')


def test_two_processes_make_and_train_what_one_does(tiny, tmp_path, read_checkpoint):
    in_two(run_rank, tmp_path, tiny, tmp_path)
    for name in HEADS:
        one = train(config(tiny, name, 'one', 4)).bare_model.head.state_dict()
        for rank in (0, 1):
            torch.testing.assert_close(read_checkpoint(tmp_path / f'{name}{rank}.pt'), dict(one))
        last = f'iter_{0 if name == "KNNHead" else 3}.pth'
        assert (tmp_path / f'run_two_{name}' / last).is_file()
        assert (tmp_path / f'run_two_{name}' / 'adapter.safetensors').is_file()
