"""BitFit (Ben Zaken et al., ACL 2022): the biases train, the matrices stay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cite.tuning.base import TUNINGS
from cite.tuning.own_layers import OwnLayers
from cite.tuning.stage_of import own_weights

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


@TUNINGS.register
class BitFit(OwnLayers):
    """Trains every bias of the trunk: of linear layers, convolutions and norms.

    Of BatchNorm the bias trains, while its statistics stay those of the pretraining. Biases of attention's
    keys are among them, as in the paper; softmax cancels them, so that they stay where they are.
    """

    paper = 'BitFit: Ben Zaken et al., ACL 2022'
    missing = 'no biases'

    def chosen(self, tower: VisionTower | TextTower) -> list[str]:
        return [
            name
            for name, weight in own_weights(tower).items()
            if weight.ndim == 1 and f'_{name.rpartition(".")[2]}'.endswith('_bias')
        ]
