"""Where the members of a grid start: the weights that a single run with their seed would have."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn

from cite.encoders.tuned import evaluating
from cite.errors import ConfigError
from cite.experiments.grid.points import Group
from cite.frozen import trainable
from cite.heads import Head
from cite.necks import Neck

Make = Callable[[int], tuple[Neck | None, Head]]
"""A seed → a neck, where there is one, and a head as they start; both attached to their sizes."""

Shapes = tuple[tuple[str, torch.Size], ...]


class Trained(nn.Module):
    """Neck and head, under the names that they have in a classifier."""

    def __init__(self, neck: Neck | None, head: Head) -> None:
        super().__init__()
        self.neck = neck
        self.head = head

    def forward(self, features: Tensor) -> Tensor:
        out: Tensor = self.head(features if self.neck is None else self.neck(features))
        return out

    @torch.no_grad()
    def take(self, features: Tensor, labels: Tensor) -> None:
        """Makes a head that is made from features."""
        with evaluating(self):
            self.head.fit(features if self.neck is None else self.neck(features), labels)


@dataclass(frozen=True, eq=False)
class Start:
    """What a group's members start from: weights that train, and its own tensors that do not."""

    group: Group
    weights: Mapping[str, Tensor]
    own: Mapping[str, Tensor]

    @property
    def shapes(self) -> Shapes:
        """Groups of the same shapes can be stacked."""
        return tuple((name, tensor.shape) for name, tensor in {**self.weights, **self.own}.items())


def start_groups(
    make: Make, groups: Sequence[Group], features: Tensor, labels: Tensor
) -> tuple[Trained, dict[str, Tensor], list[Start]]:
    """Makes the models of the seeds, one at a time.

    Args:
        groups: In order of their seeds.
        features: (N, in), on the device of the training.

    Returns:
        The layers, the tensors that are the same for all groups, and where each group starts.

    Raises:
        ConfigError: Nothing trains.
    """
    made: dict[int, Trained] = {}
    first: dict[str, Tensor] = {}
    starts = []
    for group in groups:
        if group.seed not in made:
            made = {group.seed: Trained(*make(group.seed)).to(features.device).train()}
        model = made[group.seed]
        if model.head.takes_features:
            rows = torch.tensor(np.array(group.rows))
            model.take(features[rows.to(features.device)], labels[rows])
        weights = {name: p.detach().clone() for name, p in trainable(model).items()}
        if not weights:
            raise ConfigError(
                f'{type(model.head).__name__}: nothing in it trains, so that there is no grid of it'
            )
        own = {}
        for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
            if name not in weights:
                known = first.setdefault(name, tensor.detach().clone())
                own[name] = known if torch.equal(known, tensor) else tensor.detach().clone()
        starts.append(Start(group, weights, own))
    same = {n: t for n, t in first.items() if all(start.own[n] is t for start in starts)}
    for place, start in enumerate(starts):
        differ = {name: tensor for name, tensor in start.own.items() if name not in same}
        starts[place] = replace(start, own=differ)
    return model, same, starts
