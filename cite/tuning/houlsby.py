"""The adapters of Houlsby et al. (ICML 2019): behind the attention and behind the MLP of every block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import nn

from cite.tuning.base import TUNINGS
from cite.tuning.bottleneck import Bottleneck, BottleneckTuning
from cite.tuning.sublayers import Sublayers


@TUNINGS.register
class HoulsbyAdapter(BottleneckTuning):
    """Two bottlenecks per block, on the outputs of attention and MLP before these join the residual stream.

    A norm or LayerScale that a model has between the two follows the adapter. The paper trains the norms,
    too: `tuning=['HoulsbyAdapter', 'LayerNormTuning']`.

    Args:
        reduction, width, blocks, activation: See `BottleneckTuning`; the paper's bottlenecks are 8 to 256
            wide.
    """

    paper = 'Houlsby et al., ICML 2019'
    places = ('attention', 'mlp')

    def __init__(
        self,
        reduction: int = 16,
        width: int | None = None,
        blocks: str | int | Sequence[int] = 'all',
        activation: str = 'gelu',
    ) -> None:
        super().__init__(reduction, width, blocks, activation)

    def put(self, adapters: nn.ModuleDict, block: Sublayers) -> None:
        cast('Bottleneck', adapters['attention']).stand_behind(block.attention)
        cast('Bottleneck', adapters['mlp']).stand_behind(block.leave_mlp)
