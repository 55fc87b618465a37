"""A loss that is no number ends training before it can do harm."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from mmengine.logging import MessageHub
from torch import Tensor

from cite.errors import TrainingError


class _Samples(Protocol):
    def __len__(self) -> int: ...
    def __getitem__(self, number: int, /) -> Any: ...


def check_finite(loss: Tensor, samples: _Samples) -> None:
    """To be called before the backward pass, so that no weight has moved.

    Raises:
        TrainingError: The loss is NaN or infinite; names the iteration and the batch's first files.
    """
    if torch.isfinite(loss):
        return
    files = ', '.join(samples[number].img_path for number in range(min(3, len(samples))))
    iteration = MessageHub.get_current_instance().get_info('iter', '?')
    raise TrainingError(
        f'the loss is {loss.item()} at iteration {iteration} (batch of {files}, …). Nothing of '
        'this step was kept; the last checkpoint is whole. Lower the learning rate '
        '(optim_wrapper.optimizer.lr), or set model.precision=fp32'
    )
