"""LoHa: an update that is the elementwise product of two products of thin matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cite.tuning.base import TUNINGS
from cite.tuning.layer_names import Layer
from cite.tuning.layers import sizes
from cite.tuning.lycoris import Lycoris

if TYPE_CHECKING:
    from peft import PeftConfig


@TUNINGS.register
class LoHa(Lycoris):
    """ΔW = (B₁ A₁) ⊙ (B₂ A₂): with twice the weights of LoRA, a rank of up to r².

    A₁ and both of the second pair are drawn, B₁ or its like starts at zero: an untrained tower computes
    what it did without.

    Args:
        r, alpha, dropout, targets, blocks: See `Lycoris`.
    """

    paper = 'FedPara: Hyeon-Woo et al., ICLR 2022; LyCORIS: Yeh et al., ICLR 2024'
    marks = ('hada_',)

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import LoHaConfig

        return LoHaConfig(
            r=self.r,
            alpha=self.alpha,  # type: ignore[arg-type]
            rank_dropout=self.dropout,
            target_modules=pattern,
        )

    def count(self, layer: Layer) -> int:
        """2 r · (in + out)."""
        return 2 * self.r * sum(sizes(layer.module))
