"""Convolutions with channels last in memory, the order in which their kernels compute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from cite.encoders.towers.stages import Stages


def channels_last(trunk: nn.Module) -> None:
    """Puts the weights of convolutions in that order, in place; maps follow those of the first one.

    Shapes, names and values stay.
    """
    for weight in trunk.parameters():
        if weight.ndim == 4:
            weight.data = weight.data.contiguous(memory_format=torch.channels_last)


def channels_last_pays(stages: Stages, device: str, precision: str) -> bool:
    """Whether a tower of that kind is faster so: on GPUs, their matrix units are what gains by it."""
    return stages.convolutional and (device == 'cpu' or precision != 'fp32')
