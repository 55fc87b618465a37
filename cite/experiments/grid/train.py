"""Training all heads of a grid at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from cite.errors import ConfigError
from cite.experiments.fit import balanced_draws
from cite.experiments.grid.adamw import MemberAdamW
from cite.experiments.grid.grid import Grid
from cite.experiments.grid.memory import cost, parts
from cite.experiments.grid.points import GridPoint, groups_of
from cite.experiments.grid.stack import Stack, stack_up
from cite.experiments.grid.starts import Make, Start, Trained, start_groups

MEMORY = 2**30
"""Bytes that are trained with at once, unless it is said otherwise."""


def train_grid(
    make: Make,
    features: Tensor,
    labels: Tensor,
    points: Sequence[GridPoint],
    steps: int,
    batch_size: int = 16,
    device: torch.device | str = 'cpu',
    memory: int = MEMORY,
) -> Grid:
    """Trains a head per point, each as `cite.experiments.fit.fit` would alone, up to rounding.

    Points of the same rows and seed share their batches, which are gathered once for all of them. Heads
    whose tensors have other sizes (Tip-Adapter's keys of another k) are trained one part of the grid after
    the other. A member whose loss is no number is marked (`Grid.failed`); the others go on.

    Args:
        make: A seed → neck (or None) and head, both attached, with the initial weights of that seed.
        features: (N, in) float32 of all patches, as the frozen tower gives them.
        labels: (N,) int64.
        memory: Most bytes for weights, their updates and activations, beside the features: the grid is cut
            into parts that keep to it, of one member at the least.

    Raises:
        ConfigError: Features and labels that do not go together, rows that there are not, a head in which
            nothing trains, or one that cannot be batched: it decides by values, or draws at random.
    """
    if len(features) != len(labels):
        raise ConfigError(
            f'a label per feature is needed; found {len(features)} features and {len(labels)} labels'
        )
    features, labels = features.to(device), labels.cpu()
    groups = groups_of(points, len(labels))
    model, shared, starts = start_groups(make, groups, features, labels)
    batch = features[:1].expand(batch_size, -1)
    costs = {}
    for start in starts:
        if start.shapes not in costs:
            costs[start.shapes] = cost(model, shared, start, batch)
            _check(model, shared, start, batch)
    losses = torch.empty(len(points), steps)
    done = []
    for part in parts(starts, costs, memory):
        stack = stack_up(model, shared, part, costs[part[0].shapes].patch)
        losses[stack.members] = _train(stack, part, features, labels, points, steps, batch_size)
        done.append(stack.to('cpu'))
    model.eval()
    # what follows a loss that is no number means nothing
    broken = (~losses.isfinite()).cummax(dim=1).values
    return Grid(tuple(points), losses.masked_fill(broken, torch.nan), done, device, memory)


def _train(
    stack: Stack,
    starts: Sequence[Start],
    features: Tensor,
    labels: Tensor,
    points: Sequence[GridPoint],
    steps: int,
    batch_size: int,
) -> Tensor:
    """Losses (members, steps); the weights are changed in place."""
    device = features.device
    order = torch.stack(
        [_order(start, labels, steps * batch_size).view(steps, batch_size) for start in starts], 1
    )
    order, labels = order.to(device), labels.to(device)
    chosen = [points[member] for member in stack.members]
    lr = torch.tensor([point.lr for point in chosen], dtype=torch.float64, device=device)
    decay = torch.tensor([point.weight_decay for point in chosen], dtype=lr.dtype, device=device)
    weights = list(stack.weights.values())
    optimizer = MemberAdamW(weights, lr, decay, steps)
    losses = []
    for rows in order:
        batch = features.index_select(0, rows.flatten()).view(*rows.shape, -1)
        loss = _loss(stack.logits(batch), labels[rows])
        optimizer.step(torch.autograd.grad(loss.sum(), weights))
        losses.append(loss.detach())
    return torch.stack(losses, dim=1).cpu()


def _order(start: Start, labels: Tensor, count: int) -> Tensor:
    """Rows of the table as `fit` draws them from the group's patches."""
    rows = np.asarray(start.group.rows)
    return torch.from_numpy(rows[balanced_draws(labels.numpy()[rows], count, start.group.seed)])


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Logits (G, V, B, classes), labels (G, B) → mean cross-entropy of each member (G · V,)."""
    members = logits.shape[1]
    logits = logits.flatten(0, 1).mT  # classes before patches: as small heads lay them out
    labels = labels.repeat_interleave(members, dim=0)
    return F.cross_entropy(logits, labels, reduction='none').mean(dim=1)


def _check(model: Trained, shared: Mapping[str, Tensor], start: Start, batch: Tensor) -> None:
    """Refuses a head that works alone and not in a stack."""
    few = replace(start, group=start.group.split(2)[0])
    try:
        stack_up(model, shared, [few], 0).logits(batch[None])
    except (RuntimeError, NotImplementedError, ValueError) as error:
        raise ConfigError(
            f'{type(model.head).__name__} cannot be trained as a grid, train each alone by '
            f'cite.experiments.fit: {str(error).partition(chr(10))[0]}'
        ) from error
