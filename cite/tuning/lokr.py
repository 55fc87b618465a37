"""LoKr: an update that is a Kronecker product."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING

from torch import nn

from cite.tuning.base import TUNINGS
from cite.tuning.layer_names import Layer
from cite.tuning.lycoris import Lycoris

if TYPE_CHECKING:
    from peft import PeftConfig


@TUNINGS.register
class LoKr(Lycoris):
    """ΔW = C ⊗ (B A), with sizes of C near the square roots of the layer's.

    C has shape (out₁, in₁), B A has (out₂, in₂), where out₁ · out₂ = out, in₁ · in₂ = in, and the first
    factor is the smaller one. B A is one matrix where r is half of max(out₂, in₂) or more. C starts at
    zero: an untrained tower computes what it did without.

    Args:
        r, alpha, dropout, targets, blocks: See `Lycoris`.
    """

    paper = 'KronA: Edalati et al., 2022; LyCORIS: Yeh et al., ICLR 2024'
    marks = ('lokr_',)

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import LoKrConfig

        return LoKrConfig(
            r=self.r,
            alpha=self.alpha,  # type: ignore[arg-type]
            rank_dropout=self.dropout,
            target_modules=pattern,
        )

    def count(self, layer: Layer) -> int:
        """out₁ · in₁ + r · (out₂ + in₂ · kernel), or out₂ · in₂ · kernel in place of the latter."""
        from peft.tuners.lokr.layer import factorization

        weight: nn.Parameter = layer.module.weight  # type: ignore[assignment]
        (out_1, out_2), (in_1, in_2) = (factorization(size) for size in weight.shape[:2])
        kernel = prod(weight.shape[2:])
        whole = self.r >= max(out_2, in_2) / 2
        second = out_2 * in_2 * kernel if whole else self.r * (out_2 + in_2 * kernel)
        return out_1 * in_1 + second
