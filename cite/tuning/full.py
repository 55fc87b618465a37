"""Full fine-tuning: every weight of the tower trains. The expensive baseline."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cite.tuning.base import EMBED, TUNINGS, Tuning

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


@TUNINGS.register
class FullFineTuning(Tuning):
    """Unfreezes the whole tower. The adapter then holds a copy of every weight."""

    trains_all = True

    def attach(self, tower: VisionTower | TextTower) -> None:
        tower.unfreeze()

    @property
    def first_stage(self) -> int:
        return EMBED

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """All weights of the trunk, but for those that have no part in the feature."""
        every = sum(weight.numel() for weight in tower.trunk.parameters())
        return every - sum(weight.numel() for weight in tower.untouched())
