"""AdaLoRA: an update in the form of a singular value decomposition."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cite.tuning.base import TUNINGS
from cite.tuning.layer_names import Layer
from cite.tuning.layers import sizes
from cite.tuning.lora import LoRA

if TYPE_CHECKING:
    from peft import PeftConfig


@TUNINGS.register
class AdaLoRA(LoRA):
    """A layer computes W x + alpha / r · P Λ Q x, with Λ a diagonal of r trained numbers.

    The budget is fixed: every layer keeps its r triplets. The paper also prunes triplets during training
    (PEFT's `update_and_allocate`), which needs the length of the training and a call behind each of the
    optimiser's steps, and holds P and Q orthogonal by a term in the loss; a tower knows neither. What is
    left of the method is its form: Λ starts at zero and P and Q are drawn (normal, std 0.02), so that an
    untrained tower computes what it did without and any triplet can be switched off by one number.

    Args:
        r: Triplets per layer.
        alpha, dropout, targets, blocks: See `LoRA`.
    """

    paper = 'AdaLoRA: Zhang et al., ICLR 2023'
    marks = ('lora_', 'ranknum')
    convolutions = False

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import AdaLoraConfig

        return AdaLoraConfig(
            init_r=self.r,
            target_r=self.r,
            lora_alpha=self.alpha,  # type: ignore[arg-type]
            lora_dropout=self.dropout,
            target_modules=pattern,
            total_step=1,  # of a schedule that is never run
        )

    def count(self, layer: Layer) -> int:
        """r · (in + out + 1)."""
        return self.r * (sum(sizes(layer.module)) + 1)
