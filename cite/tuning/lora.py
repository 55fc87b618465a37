"""LoRA (Hu et al., ICLR 2022): a trained product of two thin matrices beside frozen layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from cite.tuning.base import TUNINGS
from cite.tuning.injected import InjectedTuning
from cite.tuning.layer_names import Layer
from cite.tuning.layers import sizes
from cite.tuning.numbers import above_zero, share, whole

if TYPE_CHECKING:
    from peft import PeftConfig


@TUNINGS.register
class LoRA(InjectedTuning):
    """Low-rank weights beside layers of chosen blocks, in vision and text towers alike.

    A layer computes W x + alpha / r · B A x, with A of shape (r, in) and B of shape (out, r). A is
    drawn (Kaiming uniform), B starts at zero: an untrained tower computes what it did without. Beside
    a convolution, A is one of the same kernel with r channels, and B one of kernel 1.

    Args:
        r: Rank of the update.
        alpha: The update is scaled by alpha / r; None stands for 2r.
        dropout: Of what enters A, in training.
        targets, blocks: See `InjectedTuning`.
    """

    paper = 'LoRA: Hu et al., ICLR 2022'
    marks: ClassVar[tuple[str, ...]] = ('lora_',)
    convolutions = True
    dropouts: ClassVar[tuple[str, ...]] = ('lora_dropout',)
    variant: ClassVar[dict[str, Any]] = {}
    """What PEFT calls the method, where it is not LoRA itself."""

    def __init__(
        self,
        r: int = 8,
        alpha: float | None = 16,
        dropout: float = 0.0,
        targets: str | Sequence[str] = 'attn',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__(targets, blocks)
        self.r = whole(f'{self.name}: r', r)
        self.alpha = 2 * r if alpha is None else above_zero(f'{self.name}: alpha', alpha, True)
        self.dropout = share(f'{self.name}: dropout', dropout)

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import LoraConfig

        return LoraConfig(
            r=self.r,
            lora_alpha=self.alpha,  # type: ignore[arg-type]  # it only divides it
            lora_dropout=self.dropout,
            target_modules=pattern,
            **self.variant,
        )

    def count(self, layer: Layer) -> int:
        """r · (in + out); a convolution's inputs are channels × kernel."""
        return self.r * sum(sizes(layer.module))

    def shown(self) -> list[str]:
        parts = [f'r={self.r}']
        if self.alpha != 2 * self.r:
            parts.append(f'alpha={self.alpha:g}')
        if self.dropout:
            parts.append(f'dropout={self.dropout:g}')
        return parts
