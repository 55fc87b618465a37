"""What enters and leaves the sublayers of a tower's blocks, adapters included."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from tower_kinds import Tower, features

from cite.tuning.sublayers import Sublayers, sublayers_of


def randomise(tower: Tower) -> None:
    """Adapters as if they had been trained."""
    for value in tower.tuning.parameters():
        nn.init.normal_(value, std=0.3)


class Seen:
    """Of one module in one forward pass: its input, its output, and its output without any hook."""

    def __init__(self, module: nn.Module) -> None:
        self.entered, self.left, self.own = torch.empty(0), torch.empty(0), torch.empty(0)
        module.register_forward_hook(self._note, with_kwargs=True)

    def _note(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> None:
        self.entered = args[0] if args else torch.empty(0)
        self.left = _first(output)
        self.own = _first(module.forward(*args, **kwargs))


def watch(tower: Tower) -> list[tuple[Sublayers, Seen, Seen, Seen]]:
    """Block by block: attention, first and last layer of the MLP, in one forward pass."""
    places = sublayers_of('test', tower, 'all')
    seen = [(p, Seen(p.attention), Seen(p.enter_mlp), Seen(p.leave_mlp)) for p in places]
    with torch.no_grad():
        features(tower)
    return seen


def _first(output: Any) -> Tensor:
    found: Tensor = output[0] if isinstance(output, tuple) else output
    return found
