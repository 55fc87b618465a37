"""Training on pairs in two gloo processes that share the batch, for `test_pair_processes`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

STEPS = 3
LAYOUTS: list[dict[str, Any]] = [
    {'model.loss': 'clip', 'model.chunk': None},
    {'model.loss': 'clip', 'model.chunk': 2},
    {'model.loss': 'siglip', 'model.chunk': 2},
]


def options(layout: int, batch_size: int) -> dict[str, Any]:
    """Both towers train, without dropout; Adam would turn rounding into steps."""
    return {
        **LAYOUTS[layout],
        'model.text.tuning': {'type': 'LoRA', 'r': 2, '_delete_': True},
        'train_dataloader.batch_size': batch_size,
        'train_cfg.max_iters': STEPS,
        'train_cfg.val_interval': STEPS,
        'optim_wrapper': {'optimizer': {'type': 'SGD', 'lr': 0.01}, '_delete_': True},
    }


def train_here(
    load: Callable[..., Any], folder: str, layout: int, batch_size: int
) -> tuple[list[Any], dict[str, float]]:
    """Losses and gradients of each step in this process, and recall@k at the end."""
    from cite.frozen import trainable
    from cite.mm.contrast.model import CitePair
    from cite.mm.launch import train

    found = []
    real = CitePair.train_step

    def train_step(model: CitePair, data: Any, optim_wrapper: Any) -> Any:
        gradients: dict[str, Any] = {}

        def note(*_: Any) -> None:
            gradients.update({n: p.grad.clone() for n, p in trainable(model).items()})

        handle = optim_wrapper.optimizer.register_step_pre_hook(note)
        values = real(model, data, optim_wrapper)
        handle.remove()
        found.append((values['loss'].item(), gradients))
        return values

    cfg = load(options(layout, batch_size), f'{folder}{layout}')
    cfg.launcher = 'pytorch' if torch.distributed.is_initialized() else 'none'
    CitePair.train_step = train_step  # type: ignore[method-assign]
    try:
        scalars = train(cfg).message_hub.log_scalars
    finally:
        CitePair.train_step = real  # type: ignore[method-assign]
    return found, {k: float(v.current()) for k, v in scalars.items() if 'recall@' in k}


def run_rank(rank: int, load: Callable[..., Any], folder: str) -> None:
    torch.set_num_threads(1)
    os.environ.update(LOCAL_RANK=str(rank), RANK=str(rank), WORLD_SIZE='2')
    torch.distributed.init_process_group('gloo', f'file://{folder}/store', rank=rank, world_size=2)
    found = [train_here(load, 'two', layout, 3) for layout in range(len(LAYOUTS))]
    torch.save(found, Path(folder) / f'{rank}.pt')
    torch.distributed.destroy_process_group()
