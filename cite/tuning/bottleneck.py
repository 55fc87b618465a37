"""Bottleneck adapters: two thin layers with a non-linearity between them, beside or behind a frozen one.

What they have in common; where they stand is in a file per method.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import Tuning
from cite.tuning.numbers import whole
from cite.tuning.sublayers import Sublayers, sublayers_of

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower

ACTIVATIONS: dict[str, type[nn.Module]] = {
    'relu': nn.ReLU,
    'gelu': nn.GELU,
    'silu': nn.SiLU,
    'tanh': nn.Tanh,
}


class Bottleneck(nn.Module):
    """x (…, channels) → scale · up(activation(down(x))), of the same shape.

    Up starts at zero, so that nothing is added before the first step; down is drawn (Kaiming uniform).
    Weights are float32; the result has the type of x.

    Args:
        channels: Of what comes in and goes out.
        width: Of the bottleneck.
        activation: One of `ACTIVATIONS`.
        scale: Of what goes out.
    """

    def __init__(self, channels: int, width: int, activation: str, scale: float = 1.0) -> None:
        super().__init__()
        self.down = nn.Linear(channels, width)
        self.activation = ACTIVATIONS[activation]()
        self.up = nn.Linear(width, channels)
        self.scale = scale
        nn.init.kaiming_uniform_(self.down.weight, a=5**0.5)
        for value in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(value)
        self._held: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        inner = self.activation(self.down(x.to(self.down.weight.dtype)))
        added: Tensor = self.scale * self.up(inner)
        return added.to(x.dtype)

    @staticmethod
    def size(channels: int, width: int) -> int:
        """Its weights: two matrices and two vectors of biases."""
        return 2 * channels * width + width + channels

    # hooks are methods, so that a copy of a tower has copies of the adapters in its own hooks

    def stand_behind(self, module: nn.Module) -> None:
        """Adds to what the module gives what the adapter makes of it."""
        module.register_forward_hook(self._behind)

    def stand_beside(self, first: nn.Module, last: nn.Module) -> None:
        """Adds to what the last module gives what the adapter makes of what the first is given."""
        first.register_forward_pre_hook(self._look)
        last.register_forward_hook(self._add)

    def _behind(self, _module: nn.Module, _inputs: Any, output: Any) -> Any:
        if isinstance(output, tuple):  # transformers' attention gives its weights, too
            return (output[0] + self(output[0]), *output[1:])
        return output + self(output)

    def _look(self, _module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        self._held = [self(inputs[0])]

    def _add(self, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        (added,), self._held = self._held, []
        return output + added.to(output.dtype)


class BottleneckTuning(Tuning):
    """Base of adapters in the blocks of vision and text towers.

    Args:
        reduction: The bottleneck is as many times narrower than the block's tokens.
        width: Of the bottleneck, in place of `reduction`; the same in all blocks.
        blocks: 'all', or block numbers in any order; negative ones count from the end.
        activation: 'relu', 'gelu', 'silu' or 'tanh'.

    Weights are held as `adapters.<block>.<place>.down.weight` and so on; the trunk's names stay. The
    untrained tower computes what it did without.
    """

    group = 'peft'
    places: tuple[str, ...]
    """Names of the adapters of one block."""

    def __init__(
        self, reduction: int, width: int | None, blocks: str | int | Sequence[int], activation: str
    ) -> None:
        super().__init__()
        if activation not in ACTIVATIONS:
            raise ConfigError(
                f'{self.name}: activation must be one of {", ".join(ACTIVATIONS)}, found {activation!r}'
            )
        self.reduction = whole(f'{self.name}: reduction', reduction)
        self.width = None if width is None else whole(f'{self.name}: width', width)
        self.blocks = blocks
        self.activation = activation
        self.adapters = nn.ModuleDict()

    @property
    def name(self) -> str:
        """For messages."""
        return type(self).__name__

    def put(self, adapters: nn.ModuleDict, block: Sublayers) -> None:
        """Brings a block's adapters, one per place, to where they act."""
        raise NotImplementedError

    def attach(self, tower: VisionTower | TextTower) -> None:
        for block in sublayers_of(self.name, tower, self.blocks):
            adapters = nn.ModuleDict(
                {place: self._bottleneck(block.channels) for place in self.places}
            )
            self.put(adapters, block)
            self.adapters[str(block.block)] = adapters

    def _bottleneck(self, channels: int) -> Bottleneck:
        return Bottleneck(channels, self._width(channels), self.activation)

    def _width(self, channels: int) -> int:
        return self.width or max(1, channels // self.reduction)

    @property
    def first_stage(self) -> int:
        return min(int(block) for block in self.adapters)

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """Over blocks: adapters × (2 × channels × bottleneck + bottleneck + channels)."""
        channels = [block.channels for block in sublayers_of(self.name, tower, self.blocks)]
        return len(self.places) * sum(Bottleneck.size(c, self._width(c)) for c in channels)

    def extra_repr(self) -> str:
        size = f'width={self.width}' if self.width else f'reduction={self.reduction}'
        return f'{size}, {self.activation}, blocks={[int(block) for block in self.adapters]}'
