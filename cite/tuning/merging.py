"""Trained weights computed into the layers that they stand at, and taken out again."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.layers import computes_plainly, is_convolution

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


class Merging:
    """What an `InjectedTuning` can do once it is trained.

    A merged tower computes the same, up to rounding, at the cost of the bare trunk. It is for inference
    and export: while it is merged nothing of it trains, and its frozen weights are not those that were
    loaded. Unmerged, they are again, bit by bit: they are kept meanwhile.
    """

    _kept: dict[str, dict[str, Tensor]]

    def put_in(self, trunk: nn.Module) -> dict[str, Any]:
        """See `InjectedTuning`."""
        raise NotImplementedError

    def own_weights(self, state: Iterable[tuple[str, Tensor]]) -> Iterable[tuple[str, Tensor]]:
        """See `Tuning`."""
        raise NotImplementedError

    def merge(self, tower: VisionTower | TextTower) -> None:
        """Computes the trained weights into the trunk's.

        Raises:
            ConfigError: Merged already, or a layer that does not use its weight as it is.
        """
        self._merge(tower.trunk)

    def unmerge(self, tower: VisionTower | TextTower) -> None:
        """Takes them out again; the layers' own weights are those that were loaded.

        Raises:
            ConfigError: Not merged.
        """
        self._unmerge(tower.trunk)

    def merged_state(self, trunk: nn.Module) -> dict[str, Tensor]:
        """The trunk's own weights with the trained ones in them, under the names that they were loaded
        under: a model that needs neither PEFT nor this library. Copies; the trunk stays as it is.

        Raises:
            ConfigError: As `merge`, but for a trunk that is merged.
        """
        merged = any(layer.merged for layer in self.put_in(trunk).values())
        if not merged:
            self._merge(trunk)
        try:
            state = self.own_weights(trunk.state_dict().items())
            return {name: value.detach().clone() for name, value in state}
        finally:
            if not merged:
                self._unmerge(trunk)

    @torch.no_grad()
    def _merge(self, trunk: nn.Module) -> None:
        who = type(self).__name__
        layers = self.put_in(trunk)
        for name, layer in layers.items():
            base = layer.get_base_layer()
            if layer.merged:
                raise ConfigError(f'{who}: the tower is merged already; `unmerge` it first')
            if is_convolution(base) and not computes_plainly(base):
                raise ConfigError(
                    f'{who} cannot be merged into {name}: a {type(base).__name__} standardises its '
                    'weight, and would standardise what is merged into it'
                )
        self._kept = {
            name: {key: value.clone() for key, value in layer.get_base_layer().state_dict().items()}
            for name, layer in layers.items()
        }
        for layer in layers.values():
            layer.merge()

    @torch.no_grad()
    def _unmerge(self, trunk: nn.Module) -> None:
        for name, layer in self.put_in(trunk).items():
            if not layer.merged:
                raise ConfigError(f'{type(self).__name__}: the tower is not merged')
            with warnings.catch_warnings():
                warnings.simplefilter('ignore')  # that it is not exact: it is made so below
                layer.unmerge()
            layer.get_base_layer().load_state_dict(self._kept[name])
        self._kept = {}
