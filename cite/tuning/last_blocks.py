"""Partial fine-tuning: the last blocks train, those in front of them stay frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS
from cite.tuning.numbers import whole
from cite.tuning.own_layers import OwnLayers, name_of
from cite.tuning.stage_of import blocks_of, stages_of

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


@TUNINGS.register
class LastBlocks(OwnLayers):
    """Trains every weight of the last blocks.

    Args:
        k: Blocks, counted from the end.
        norm: Whether all that stands behind the blocks trains, too: the last norm, attentional pooling,
            the projection into the space of the texts.
    """

    paper = 'Partial fine-tuning: Yosinski et al., NeurIPS 2014; He et al., CVPR 2022'
    missing = 'no weights in its last blocks'

    def __init__(self, k: int = 1, norm: bool = True) -> None:
        super().__init__()
        if not isinstance(norm, bool):
            raise ConfigError(f'LastBlocks: norm must be True or False, found {norm!r}')
        self.k = whole('LastBlocks: k', k)
        self.norm = norm

    def chosen(self, tower: VisionTower | TextTower) -> list[str]:
        depth = len(blocks_of(tower))
        if not depth:
            raise ConfigError(
                f"LastBlocks: {name_of(tower)} is not taken apart into blocks. Tune it by 'BitFit', "
                "'LayerNormTuning', 'SideTuning' (images) or 'FullFineTuning'"
            )
        if self.k > depth:
            raise ConfigError(
                f'LastBlocks: k={self.k} is more than the {depth} blocks of {name_of(tower)}'
            )
        end = depth + self.norm
        return [name for name, stage in stages_of(tower).items() if depth - self.k <= stage < end]

    def extra_repr(self) -> str:
        return f'k={self.k}' if self.norm else f'k={self.k}, norm=False'
