"""AdamW (Loshchilov and Hutter, ICLR 2019) with a learning rate and a weight decay for each member."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

BETAS = 0.9, 0.999
EPS = 1e-8
_BLOCK = 2**17
"""Weights that are updated together on a CPU: what an update touches stays in its cache."""


class MemberAdamW:
    """The arithmetic of `torch.optim.AdamW` under a cosine to zero, element by element.

    Args:
        weights: Each of members × anything numbers, contiguous, the members first; changed in place.
        lr: (members,) float64, at the start.
        weight_decay: (members,) float64.
        steps: After which the learning rate is zero.
    """

    def __init__(
        self, weights: Sequence[Tensor], lr: Tensor, weight_decay: Tensor, steps: int
    ) -> None:
        self.lr = lr
        self.weight_decay = weight_decay
        self.steps = steps
        self.done = 0
        self.weights = [weight.detach().view(len(lr), -1) for weight in weights]
        self.means = [torch.zeros_like(weight) for weight in self.weights]
        self.squares = [torch.zeros_like(weight) for weight in self.weights]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """One update; gradients are shaped like the weights."""
        lr = self.lr * (0.5 * (1 + math.cos(math.pi * self.done / self.steps)))
        self.done += 1
        corrections = [1 - beta**self.done for beta in BETAS]
        keep = (1 - lr * self.weight_decay)[:, None].float()
        size = (-lr / corrections[0])[:, None].float()
        for weight, mean, square, gradient in zip(
            self.weights, self.means, self.squares, gradients, strict=True
        ):
            gradient = gradient.reshape(weight.shape)
            for block in _blocks(weight):
                _update(
                    weight[block],
                    mean[block],
                    square[block],
                    gradient[block],
                    keep[block[0]],
                    size[block[0]],
                    math.sqrt(corrections[1]),
                )


def _update(
    weight: Tensor,
    mean: Tensor,
    square: Tensor,
    gradient: Tensor,
    keep: Tensor,
    size: Tensor,
    correction: float,
) -> None:
    mean.lerp_(gradient, 1 - BETAS[0])
    square.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
    direction = square.sqrt().div_(correction).add_(EPS)
    torch.div(mean, direction, out=direction)
    weight.mul_(keep).addcmul_(direction, size)


def _blocks(weight: Tensor) -> list[tuple[slice, slice]]:
    """Members and elements of each part of (members, elements) that is updated at once."""
    members, elements = weight.shape
    if weight.is_cuda or members * elements <= _BLOCK:
        return [(slice(None), slice(None))]
    high, wide = max(1, _BLOCK // elements), min(elements, _BLOCK)
    return [
        (slice(row, row + high), slice(column, column + wide))
        for row in range(0, members, high)
        for column in range(0, elements, wide)
    ]
