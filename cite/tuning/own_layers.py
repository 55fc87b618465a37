"""Base of tunings that add nothing and train a part of the tower's own weights."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar

from cite.errors import ConfigError
from cite.tuning.base import Tuning
from cite.tuning.layer_names import loaded_name
from cite.tuning.stage_of import own_weights, stages_of

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


class OwnLayers(Tuning):
    """Unfreezes those of the trunk's weights that `chosen` names, as they were loaded.

    State dicts and adapters hold them under the trunk's names; the layers stay in eval mode. Weights that
    have no part in the feature (`tower.untouched()`) never train.
    """

    group = 'tower'
    missing: ClassVar[str]
    """What a tower has that has nothing of it, for messages: 'no biases'."""

    def __init__(self) -> None:
        super().__init__()
        self._names: frozenset[str] = frozenset()
        self._first: int | None = None

    def chosen(self, tower: VisionTower | TextTower) -> Iterable[str]:
        """Names of own weights of the trunk, those with no part in the feature among them.

        Raises:
            ConfigError: A tower without any, if there is more to say than that.
        """
        raise NotImplementedError

    def attach(self, tower: VisionTower | TextTower) -> None:
        weights = self.sizes(tower)
        if not weights:
            raise ConfigError(
                f"{type(self).__name__}: {name_of(tower)} has {self.missing}. Tune it by 'LoRA'"
            )
        stages = stages_of(tower)
        self._first = min(stages[name] for name in weights)
        self._names = frozenset(f'trunk.{name}' for name in weights)
        own = own_weights(tower)
        for name in weights:
            own[name].requires_grad_(True)

    def sizes(self, tower: VisionTower | TextTower) -> dict[str, int]:
        """Name of a chosen weight that has a part in the feature → its size."""
        own = own_weights(tower)
        untouched = {id(weight) for weight in tower.untouched()}
        return {
            name: own[name].numel() for name in self.chosen(tower) if id(own[name]) not in untouched
        }

    @property
    def first_stage(self) -> int | None:
        return self._first

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """The sizes of the chosen weights, added up."""
        return sum(self.sizes(tower).values())

    def owns(self, name: str) -> bool:
        return loaded_name(name) in self._names


def name_of(tower: VisionTower | TextTower) -> str:
    """The model's name, for messages."""
    from cite.encoders.text.tower import TextTower

    return tower.name if isinstance(tower, TextTower) else tower.card.name
