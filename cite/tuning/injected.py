"""Base of tunings that PEFT puts into a trunk: weights beside, in front of or instead of its layers.

PEFT does so in place, so that a tower keeps its own shape and forward pass.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS, Tuning
from cite.tuning.blocks import block_numbers
from cite.tuning.layer_names import Layer, checked_targets, layers_of, loaded_name, targeted
from cite.tuning.layers import bypassed, is_convolution, is_linear
from cite.tuning.merging import Merging
from cite.tuning.own_layers import name_of

if TYPE_CHECKING:
    from peft import PeftConfig

    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


class InjectedTuning(Merging, Tuning):
    """Trained weights at linear layers of chosen blocks, in vision and text towers alike.

    A method says how PEFT is configured (`config`) and how many weights a layer gets (`count`).

    Args:
        targets: 'attn' (query, key, value and output projections), 'qkv' (without the output), 'mlp',
            'attn+mlp', 'all-linear' (every linear layer), 'conv' (every convolution that is not
            grouped, where the method takes them), or endings of layer names within a block, such as
            ['attn.qkv'].
        blocks: 'all', or block numbers in any order; negative ones count from the end.

    Its weights lie in the tower's trunk, are float32 and are saved with it; the layers' own are not.
    """

    group = 'peft'
    marks: ClassVar[tuple[str, ...]]
    """How the names of what it puts beside a layer begin: ('lora_',)."""
    joins: ClassVar[str] = 'linear layers'
    """What it joins, for messages."""
    convolutions: ClassVar[bool] = False
    """Whether it takes convolutions too."""
    dropouts: ClassVar[tuple[str, ...]] = ()
    """Parts of its layers that drop something out in training; '' is the layer itself."""

    def __init__(
        self,
        targets: str | Sequence[str] = 'attn',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__()
        self.targets = checked_targets(self.name, targets)
        if self.targets == 'conv' and not self.convolutions:
            takers = [n for n in TUNINGS.names() if getattr(TUNINGS.get(n), 'convolutions', False)]
            raise ConfigError(
                f"{self.name} takes linear layers only, found targets='conv'. Convolutions take "
                f'{", ".join(takers)}'
            )
        self.blocks = blocks
        self._blocks: list[int] = []
        self._depth = 0
        self._layers: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """As a config calls it."""
        return type(self).__name__

    @abstractmethod
    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        """How PEFT makes it.

        Args:
            pattern: Regular expression that names the layers.
            layers: Those layers.

        Raises:
            ConfigError: Layers of sizes that the method does not fit.
        """

    @abstractmethod
    def count(self, layer: Layer) -> int:
        """Weights that it trains at one layer, from the layer's sizes."""

    def takes(self, module: nn.Module) -> bool:
        """Whether a layer is of a kind that it can join."""
        return is_linear(module) or (self.convolutions and is_convolution(module))

    def inject(self, config: PeftConfig, trunk: nn.Module) -> None:
        """Has PEFT put the weights in."""
        from peft import inject_adapter_in_model

        inject_adapter_in_model(config, trunk)

    def attach(self, tower: VisionTower | TextTower) -> None:
        layers = self._chosen(tower)
        self._check_free(tower.trunk, layers)
        self._blocks = self._numbers(tower)
        # a pattern is taken whole, a list by its endings
        pattern = '|'.join(re.escape(loaded_name(layer.name)) for layer in layers)
        self.inject(self.config(pattern, layers), tower.trunk)
        self._layers = frozenset(layer.name for layer in layers)
        if hasattr(
            tower.trunk, 'peft_config'
        ):  # PEFT's note to itself, which the next one warns of
            del tower.trunk.peft_config
        for name, parameter in tower.trunk.named_parameters():
            if self._holder(name) in self._layers:
                # trained weights are float32, also beside a half-precision model's
                parameter.data = parameter.data.float()

    def _candidates(self, tower: VisionTower | TextTower) -> list[Layer]:
        return layers_of(tower, self.takes)

    def inner(self, layers: Sequence[Layer]) -> set[str]:
        """Names within a block of the layers that are meant."""
        return targeted(self.name, self.targets, layers)

    def _numbers(self, tower: VisionTower | TextTower) -> list[int]:
        self._depth = 1 + max(layer.block for layer in self._candidates(tower))
        if self.blocks == 'all':
            return list(range(self._depth))
        return block_numbers(f'{self.name}: blocks', "'all'", self.blocks, self._depth)

    def _chosen(self, tower: VisionTower | TextTower) -> list[Layer]:
        layers = self._candidates(tower)
        if not layers or (isinstance(self.targets, str) and self._only_convolutions(layers)):
            raise ConfigError(self._nowhere(tower, layers))
        inner = self.inner(layers)
        numbers = self._numbers(tower)
        chosen = [layer for layer in layers if layer.block in numbers and layer.inner in inner]
        if not chosen:
            raise ConfigError(
                f'{self.name}: blocks {numbers} hold no layer {" or ".join(sorted(inner))}'
            )
        for layer in chosen:
            if bypassed(layer):
                raise ConfigError(
                    f'{self.name}: {layer.name} is a layer that its model takes the weights of and does '
                    f'not call, so that nothing put there acts. Leave {layer.inner} out of targets'
                )
        return chosen

    def _only_convolutions(self, layers: list[Layer]) -> bool:
        return self.targets != 'conv' and all(is_convolution(layer.module) for layer in layers)

    def _nowhere(self, tower: VisionTower | TextTower, layers: list[Layer]) -> str:
        """Why a tower has no place for it, and what can be done."""
        from cite.encoders.text.tower import TextTower

        if isinstance(tower, TextTower):
            return f'{self.name}: {tower.name} has no {self.joins} in its blocks'
        tune = "Give targets='conv', or tune it" if layers else 'Tune it'
        return (
            f'{self.name}: {name_of(tower)} is {tower.stages.description}, with no {self.joins} in its '
            f'blocks that {self.name} could join. {tune} with {tower.stages.alternatives}'
        )

    def _check_free(self, trunk: nn.Module, layers: list[Layer]) -> None:
        """Two methods at one layer would have to be merged and unmerged in order."""
        taken = {loaded_name(n) for n, m in trunk.named_modules() if hasattr(m, 'get_base_layer')}
        twice = [layer.name for layer in layers if layer.name in taken]
        if twice:
            raise ConfigError(
                f'{self.name}: {twice[0]} is adapted by another tuning already. Give the two of them '
                'different targets or blocks'
            )

    @property
    def first_stage(self) -> int:
        return min(self._blocks)

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """The sum over the adapted layers of what each of them gets, by the method's formula."""
        return sum(self.count(layer) for layer in self._chosen(tower))

    def put_in(self, trunk: nn.Module) -> dict[str, Any]:
        """Name of an adapted layer, as it was loaded → the layer that PEFT put around it."""
        return {
            loaded_name(name): module
            for name, module in trunk.named_modules()
            if hasattr(module, 'get_base_layer') and loaded_name(name) in self._layers
        }

    def set_mode(self, trunk: nn.Module, training: bool) -> None:
        super().set_mode(trunk, training)
        for layer in self.put_in(trunk).values():
            for part in self.dropouts:
                if part:
                    getattr(layer, part).train(training)
                else:
                    layer.training = training

    def _holder(self, name: str) -> str | None:
        """Name of a weight in the trunk → the layer that it was put beside; None for a loaded weight."""
        found = re.search(rf'\.(?:{"|".join(self.marks)})', name)
        return loaded_name(name[: found.start()]) if found else None

    def owns(self, name: str) -> bool:
        return name.startswith('trunk.') and self._holder(name[len('trunk.') :]) in self._layers

    def own_weights(self, state: Iterable[tuple[str, Tensor]]) -> Iterable[tuple[str, Tensor]]:
        return [(loaded_name(name), v) for name, v in state if self._holder(name) is None]

    def shown(self) -> list[str]:
        """Its options for `repr`, without targets and blocks."""
        return []

    def extra_repr(self) -> str:
        targets = self.targets if isinstance(self.targets, str) else '+'.join(self.targets)
        every = len(self._blocks) == self._depth
        blocks = f'{self._depth} blocks' if every else f'blocks={self._blocks}'
        return ', '.join([*self.shown(), targets, blocks])
