"""AdaptFormer (Chen et al., NeurIPS 2022): a bottleneck beside the MLP of every block."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import nn

from cite.tuning.base import TUNINGS
from cite.tuning.bottleneck import Bottleneck, BottleneckTuning
from cite.tuning.numbers import above_zero
from cite.tuning.sublayers import Sublayers


@TUNINGS.register
class AdaptFormer(BottleneckTuning):
    """What enters the MLP, normed, goes through a bottleneck as well, and the sum of both goes on.

    A norm or LayerScale that a model has behind its MLP follows the sum.

    Args:
        width: Of the bottleneck; the paper's is 64. None: channels / `reduction`.
        scale: Of what the bottleneck adds; the paper's is 0.1.
        reduction, blocks, activation: See `BottleneckTuning`.
    """

    paper = 'AdaptFormer: Chen et al., NeurIPS 2022'
    places = ('mlp',)

    def __init__(
        self,
        width: int | None = 64,
        scale: float = 0.1,
        reduction: int = 16,
        blocks: str | int | Sequence[int] = 'all',
        activation: str = 'relu',
    ) -> None:
        super().__init__(reduction, width, blocks, activation)
        self.scale = above_zero('AdaptFormer: scale', scale)

    def _bottleneck(self, channels: int) -> Bottleneck:
        return Bottleneck(channels, self._width(channels), self.activation, self.scale)

    def put(self, adapters: nn.ModuleDict, block: Sublayers) -> None:
        adapter = cast('Bottleneck', adapters['mlp'])
        adapter.stand_beside(block.enter_mlp, block.leave_mlp)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, scale={self.scale:g}'
