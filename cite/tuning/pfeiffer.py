"""The adapters of Pfeiffer et al. (AdapterFusion, EACL 2021): one per block, behind the MLP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import nn

from cite.tuning.base import TUNINGS
from cite.tuning.bottleneck import Bottleneck, BottleneckTuning
from cite.tuning.sublayers import Sublayers


@TUNINGS.register
class PfeifferAdapter(BottleneckTuning):
    """One bottleneck per block, on the MLP's output before it joins the residual stream.

    Half the weights of `HoulsbyAdapter`, about as good on the paper's tasks.

    Args:
        reduction, width, blocks, activation: See `BottleneckTuning`; the paper reduces 16 times.
    """

    paper = 'AdapterFusion: Pfeiffer et al., EACL 2021'
    places = ('mlp',)

    def __init__(
        self,
        reduction: int = 16,
        width: int | None = None,
        blocks: str | int | Sequence[int] = 'all',
        activation: str = 'relu',
    ) -> None:
        super().__init__(reduction, width, blocks, activation)

    def put(self, adapters: nn.ModuleDict, block: Sublayers) -> None:
        cast('Bottleneck', adapters['mlp']).stand_behind(block.leave_mlp)
