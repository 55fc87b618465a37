"""Training the norm layers alone, as Frankle et al. (ICLR 2021) did with BatchNorm."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from cite.tuning.base import TUNINGS
from cite.tuning.own_layers import OwnLayers
from cite.tuning.stage_of import own_weights

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


@TUNINGS.register
class LayerNormTuning(OwnLayers):
    """Trains weights and biases of all norm layers: LayerNorm, RMSNorm, GroupNorm, BatchNorm.

    The statistics of BatchNorm stay those of the pretraining.
    """

    paper = 'Norm tuning: Frankle et al., ICLR 2021; Zhao et al., ICLR 2024'
    missing = 'no norm layers with weights'

    def chosen(self, tower: VisionTower | TextTower) -> list[str]:
        norms = {
            id(weight)
            for module in tower.trunk.modules()
            if is_norm(module)
            for weight in module.parameters(recurse=False)
        }
        return [name for name, weight in own_weights(tower).items() if id(weight) in norms]


def is_norm(module: nn.Module) -> bool:
    """Whether a layer scales and shifts what it has normalised.

    Every library has norms of its own, most of no common base: they are known by 'norm' in the name of
    the class, and by weights of their own that are vectors.
    """
    weights = list(module.parameters(recurse=False))
    named = 'norm' in type(module).__name__.lower()
    return named and bool(weights) and all(weight.ndim == 1 for weight in weights)
