"""Full fine-tuning: every weight of the tower trains. The expensive baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cite.errors import ConfigError
from cite.tuning.base import EMBED, TUNINGS, Tuning
from cite.tuning.own_layers import name_of
from cite.tuning.stage_of import blocks_of, stages_of

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


@TUNINGS.register
class FullFineTuning(Tuning):
    """Unfreezes the whole tower. The adapter then holds a copy of every weight.

    Args:
        layer_decay: Layer-wise decay of the learning rate (ELECTRA: Clark et al., ICLR 2020; BEiT: Bao et
            al., ICLR 2022), above 0 and at most 1. What stands behind the blocks keeps the rate, the last
            block gets `layer_decay` times it, the one in front the square of that, and so on; the embedding
            comes last. None: one rate for all.
    """

    group = 'tower'
    trains_all = True

    def __init__(self, layer_decay: float | None = None) -> None:
        super().__init__()
        given = layer_decay is not None
        if given and (not isinstance(layer_decay, int | float) or not 0 < layer_decay <= 1):
            raise ConfigError(
                'FullFineTuning: layer_decay must be a number above 0 and at most 1, or None; found '
                f'{layer_decay!r}'
            )
        self.layer_decay = layer_decay
        self._factors: dict[str, float] = {}

    def attach(self, tower: VisionTower | TextTower) -> None:
        tower.unfreeze()
        if self.layer_decay is None:
            return
        depth = len(blocks_of(tower))
        if not depth:
            raise ConfigError(
                f'FullFineTuning: layer_decay goes by blocks, and {name_of(tower)} is not taken apart into '
                'any. Leave it out'
            )
        self._factors = {
            f'trunk.{name}': self.layer_decay ** (depth - stage)
            for name, stage in stages_of(tower).items()
        }

    @property
    def first_stage(self) -> int:
        return EMBED

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """All weights of the trunk, but for those that have no part in the feature."""
        every = sum(weight.numel() for weight in tower.trunk.parameters())
        return every - sum(weight.numel() for weight in tower.untouched())

    def owns(self, name: str) -> bool:
        return name.startswith('trunk.')

    def lr_factor(self, name: str) -> float:
        return self._factors.get(name, 1.0)

    def extra_repr(self) -> str:
        return '' if self.layer_decay is None else f'layer_decay={self.layer_decay:g}'
