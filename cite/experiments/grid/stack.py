"""Members of a grid as one model: their weights lie side by side, and one forward pass computes all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.func import functional_call, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from cite.experiments.grid.points import Group
from cite.experiments.grid.products import SharedProducts
from cite.experiments.grid.starts import Start, Trained


@dataclass(frozen=True, eq=False)
class Stack:
    """Groups with equally many members.

    Attributes:
        model: The layers; what they compute with is given to them from here.
        shared: Tensors by name that are the same for every member.
        groups: G groups of V members.
        weights: What trains, (G, V, …) each.
        own: What does not train and differs between groups, (G, …) each.
        patch_bytes: What a member keeps of a patch on its way through.
    """

    model: Trained
    shared: Mapping[str, Tensor]
    groups: tuple[Group, ...]
    weights: Mapping[str, Tensor]
    own: Mapping[str, Tensor]
    patch_bytes: int

    @property
    def members(self) -> list[int]:
        """Places in the grid, group by group."""
        return [member for group in self.groups for member in group.members]

    def logits(self, features: Tensor) -> Tensor:
        """Features (G, B, in) of each group, or (B, in) for all → (G, V, B, classes)."""

        def member(weights: dict[str, Tensor], own: dict[str, Tensor], features: Tensor) -> Tensor:
            tensors = {**self.shared, **weights, **own}
            out: Tensor = functional_call(self.model, tensors, (features,))
            return out

        of_group = vmap(member, (0, None, None))
        of_all = vmap(of_group, (0, 0, 0 if features.ndim == 3 else None))
        # of the kernels for attention, which text towers of learned words use, vmap batches this one
        with SharedProducts(), sdpa_kernel(SDPBackend.MATH):
            out: Tensor = of_all(dict(self.weights), dict(self.own), features)
        return out

    def alone(self, place: int) -> dict[str, Tensor]:
        """The tensors of one member, by its place in the stack."""
        group, member = divmod(place, len(self.groups[0].members))
        weights = {name: tensor[group, member] for name, tensor in self.weights.items()}
        own = {name: tensor[group] for name, tensor in self.own.items()}
        return {**self.shared, **weights, **own}

    def to(self, device: torch.device | str) -> Stack:
        """The members on another device; what is shared stays where it is."""
        weights = {name: tensor.detach().to(device) for name, tensor in self.weights.items()}
        own = {name: tensor.to(device) for name, tensor in self.own.items()}
        return replace(self, weights=weights, own=own)


def stack_up(
    model: Trained, shared: Mapping[str, Tensor], starts: Sequence[Start], patch_bytes: int
) -> Stack:
    """Members of groups with equal shapes and equally many members, side by side."""
    members = len(starts[0].group.members)
    weights = {
        name: torch.stack([start.weights[name] for start in starts])
        .unsqueeze(1)
        .repeat_interleave(members, dim=1)
        .requires_grad_()
        for name in starts[0].weights
    }
    own = {name: torch.stack([start.own[name] for start in starts]) for name in starts[0].own}
    return Stack(model, shared, tuple(start.group for start in starts), weights, own, patch_bytes)
