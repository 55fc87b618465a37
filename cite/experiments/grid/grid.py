"""The heads of a grid, once they are trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cite.errors import TrainingError
from cite.experiments.grid.points import GridPoint
from cite.experiments.grid.stack import Stack


@dataclass(frozen=True, eq=False)
class Grid:
    """Trained members, in the order of the points.

    Attributes:
        points: One per member.
        losses: (members, steps) of each member's batches; NaN from the first that was no number.
        stacks: The weights, on the CPU.
        device: Where scores are computed.
        memory: Most bytes that this takes, beside features and scores.
    """

    points: tuple[GridPoint, ...]
    losses: Tensor
    stacks: Sequence[Stack]
    device: torch.device | str
    memory: int

    def __len__(self) -> int:
        return len(self.points)

    @property
    def failed(self) -> tuple[int, ...]:
        """Members whose loss was no number: where `fit` would have stopped with an error."""
        return tuple(self.losses[:, -1].isnan().nonzero()[:, 0].tolist())

    def scores(self, features: Tensor) -> Tensor:
        """Class probabilities of features (N, in) → (members, N, classes), NaN of failed members.

        Float32, on the CPU: 4 · members · N · classes bytes.
        """
        found = []
        for stack in self.stacks:
            loaded = stack.to(self.device)
            rows = max(1, self.memory // (len(stack.members) * stack.patch_bytes))
            # no gradient is taken, none is asked for: heads that keep what they computed for one set of
            # weights (CoOp) do so without gradients, and would keep it for all members
            with torch.enable_grad():
                blocks = [
                    loaded.logits(block.to(self.device)).flatten(0, 1).softmax(dim=-1).cpu()
                    for block in features.split(rows)
                ]
            found.append(torch.cat(blocks, dim=1))
        scores = torch.cat(found)
        order = torch.tensor([member for stack in self.stacks for member in stack.members])
        ordered = torch.empty_like(scores)
        ordered[order] = scores
        ordered[list(self.failed)] = torch.nan
        return ordered

    def state(self, member: int) -> dict[str, Tensor]:
        """State dict of a member, under the names of a classifier (`head.fc.weight`, `neck.weight`).

        An ordinary head loads what `cite.heads.base.of_head` takes out of it, after `make_room`.

        Raises:
            TrainingError: The member failed.
        """
        if member in self.failed:
            point = self.points[member]
            raise TrainingError(
                f'member {member} of the grid (learning rate {point.lr:g}, weight decay '
                f'{point.weight_decay:g}) has no weights: its loss was no number in step '
                f'{int(self.losses[member].isnan().nonzero()[0, 0])}; take a lower learning rate'
            )
        stack = next(stack for stack in self.stacks if member in stack.members)
        tensors = stack.alone(stack.members.index(member))
        return {name: tensors[name].detach().cpu().clone() for name in stack.model.state_dict()}
