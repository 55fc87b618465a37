"""What contrastive training exchanges between processes: features, and gradients once they are whole."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed, nn

from cite.errors import TrainingError


class WholeBatch(NamedTuple):
    """The rows of all processes, in the order of their ranks."""

    images: Tensor
    """(W · B, D), with gradient."""
    texts: Tensor
    """(W · B, D), with gradient."""
    groups: Tensor | None
    """(W · B,) or (W · B, kinds) numbers of each row's text, or None where each has a text of its own."""
    first: int
    """Where this process's own rows begin."""


def world_size() -> int:
    """Number of processes that train together; 1 without a process group."""
    if distributed.is_available() and distributed.is_initialized():
        return distributed.get_world_size()
    return 1


def gather_batch(images: Tensor, texts: Tensor, groups: Tensor | None = None) -> WholeBatch:
    """The batches of all processes as one; the very tensors given without a process group.

    Backward, a process's rows get the sum of what all W processes make of them. So where process r
    takes the mean loss L_r of its own rows against the whole batch, its features get the gradient of
    Σ_r L_r = W · L, with L the mean over all rows. DDP, or `average_gradients`, divides by W: the
    gradient is that of L in one process, and no further factor is needed.

    A collective call: every process must make it, and run backward through it if one does.

    Args:
        images: (B, D) features of this process.
        texts: (B, D).
        groups: (B,) or (B, kinds) int64, or None in every process.

    Raises:
        TrainingError: batches of different sizes in different processes.
    """
    if world_size() == 1:
        return WholeBatch(images, texts, groups, 0)
    _check_alike(images, groups)
    rank = distributed.get_rank()
    return WholeBatch(
        _Gather.apply(images),
        _Gather.apply(texts),
        None if groups is None else _gather(groups),
        rank * len(images),
    )


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replaces gradients by their mean over all processes, as DDP does; nothing in one process.

    A parameter that only some processes used counts as zero in the others; one that none used keeps
    its None. A second call changes nothing. A collective call, with the same parameters everywhere.
    """
    trained = list(dict.fromkeys(p for p in parameters if p.requires_grad))
    if world_size() == 1 or not trained:
        return
    users = torch.tensor(
        [p.grad is not None for p in trained], dtype=torch.int32, device=trained[0].device
    )
    distributed.all_reduce(users)
    gradients: list[Tensor] = []
    for parameter, used in zip(trained, users.tolist(), strict=True):
        if used:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = gradient.detach().contiguous()
            gradients.append(parameter.grad)
    pending: list[Any] = [distributed.all_reduce(g, async_op=True) for g in gradients]
    for work in pending:
        work.wait()
    torch._foreach_div_(gradients, world_size())


class _Gather(torch.autograd.Function):
    """(B, D) → (W · B, D). torch.distributed.nn has the same, but is deprecated from torch 2.14 on."""

    @staticmethod
    def forward(context: Any, own: Tensor) -> Tensor:
        context.rows = len(own)
        return _gather(own)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        # reduce-scatter would send half as much, but not every backend has it
        total = gradient.clone(memory_format=torch.contiguous_format)
        distributed.all_reduce(total)
        return total.narrow(0, distributed.get_rank() * context.rows, context.rows)


def _gather(own: Tensor) -> Tensor:
    own = own.detach().contiguous()
    parts = [torch.empty_like(own) for _ in range(world_size())]
    distributed.all_gather(parts, own)
    return torch.cat(parts)


def _check_alike(images: Tensor, groups: Tensor | None) -> None:
    """Every process hears of every shape, so that all stop rather than wait for one that has."""
    own = torch.tensor([*images.shape, groups is not None], device=images.device)
    shapes = _gather(own.view(1, -1)).tolist()
    if any(shape != shapes[0] for shape in shapes):
        found = ', '.join(f'{b} × {d}{" with groups" if g else ""}' for b, d, g in shapes)
        raise TrainingError(
            'a contrastive loss needs batches of one shape in all processes, found (by rank) '
            f'{found}; let the sampler drop incomplete batches'
        )
