"""A grid cut into parts that fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call

from cite.experiments.grid.starts import Shapes, Start, Trained

_COPIES = 5
"""Of each weight that trains: itself, its gradient, two moments, the update."""


@dataclass(frozen=True)
class Cost:
    """Bytes, as a step needs them.

    Attributes:
        member: Of each member: weights, and what is kept for the way back, with its gradients.
        group: Of each group: its batch of features and its own tensors.
        patch: Of each member and patch: what is kept for the way back.
    """

    member: int
    group: int
    patch: int


def cost(model: Trained, shared: Mapping[str, Tensor], start: Start, features: Tensor) -> Cost:
    """Of the members of a group, by one forward pass of one of them on a batch (B, in)."""
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    weights = {name: tensor.clone().requires_grad_() for name, tensor in start.weights.items()}
    with saved_tensors_hooks(note, lambda tensor: tensor):
        note(functional_call(model, {**shared, **weights, **start.own}, (features,)))
    for tensor in (*weights.values(), *shared.values(), *start.own.values(), features):
        kept.pop(tensor.untyped_storage().data_ptr(), None)
    activations = sum(kept.values())
    return Cost(
        member=_COPIES * _bytes(weights.values()) + 2 * activations,
        group=_bytes([features, *start.own.values()]),
        patch=-(-activations // len(features)),
    )


def _bytes(tensors: Iterable[Tensor]) -> int:
    return sum(tensor.nbytes for tensor in tensors)


def parts(starts: Sequence[Start], costs: Mapping[Shapes, Cost], limit: int) -> list[list[Start]]:
    """Groups that are trained together: of equal shapes, with equally many members, within the limit.

    A group that is too large by itself is split; one member is trained at the least.

    Args:
        costs: By shapes.
        limit: Bytes.
    """
    pieces = []
    for start in starts:
        needed = costs[start.shapes]
        most = max(1, (limit - needed.group) // needed.member)
        pieces += [replace(start, group=group) for group in start.group.split(most)]

    def alike(start: Start) -> tuple[int, str]:
        return len(start.group.members), str(start.shapes)

    found = []
    for _, same in groupby(sorted(pieces, key=alike), key=alike):
        several = list(same)
        needed = costs[several[0].shapes]
        each = needed.group + len(several[0].group.members) * needed.member
        size = max(1, limit // each)
        found += [several[i : i + size] for i in range(0, len(several), size)]
    return found
