"""BOFT: OFT whose rotation is a product of sparse ones, in the pattern of a fast Fourier transform."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS
from cite.tuning.injected import InjectedTuning
from cite.tuning.layer_names import Layer
from cite.tuning.layers import sizes
from cite.tuning.numbers import share, whole

if TYPE_CHECKING:
    from peft import PeftConfig


@TUNINGS.register
class BOFT(InjectedTuning):
    """A layer computes s ⊙ (W R x) + bias, with R a product of m orthogonal block-diagonal matrices.

    Between the factors, features are shuffled, so that R is dense with few weights. Each block is the
    Cayley transform of a trained matrix that starts at zero, s starts at one: an untrained tower computes
    what it did without. It is computed by PyTorch alone; PEFT would compile a CUDA extension, and where
    it cannot, silently leave out all factors but one.

    Args:
        block_size: Side of the blocks, b; where there are several factors, an even number.
        factors: m. b · 2ᵐ⁻¹ must divide the inputs of every adapted layer.
        dropout: Share of the blocks that are left out of a training step.
        targets, blocks: See `InjectedTuning`.
    """

    paper = 'BOFT: Liu et al., ICLR 2024'
    marks = ('boft_',)
    dropouts = ('boft_dropout',)

    def __init__(
        self,
        block_size: int = 4,
        factors: int = 2,
        dropout: float = 0.0,
        targets: str | Sequence[str] = 'attn',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__(targets, blocks)
        self.block_size = whole(f'{self.name}: block_size', block_size, least=2)
        self.factors = whole(f'{self.name}: factors', factors)
        self.dropout = share(f'{self.name}: dropout', dropout)
        if self.factors > 1 and self.block_size % 2:
            raise ConfigError(
                f'{self.name}: block_size must be even where there are {self.factors} factors, found '
                f'{self.block_size}'
            )

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import BOFTConfig

        step = self.block_size * 2 ** (self.factors - 1)
        for layer in layers:
            width, _ = sizes(layer.module)
            if width % step:
                raise ConfigError(
                    f'{self.name}: block_size={self.block_size} and factors={self.factors} take inputs '
                    f'that {step} divides; {layer.name} has {width}'
                )
        return BOFTConfig(
            boft_block_size=self.block_size,
            boft_n_butterfly_factor=self.factors,
            boft_dropout=self.dropout,
            target_modules=pattern,
        )

    def inject(self, config: PeftConfig, trunk: nn.Module) -> None:
        from peft.tuners.boft import layer

        module: Any = layer
        module.FastBlockDiag = BlockDiagonal
        compile_it, module.get_fbd_cuda = module.get_fbd_cuda, lambda: True
        try:
            super().inject(config, trunk)
        finally:
            module.get_fbd_cuda = compile_it

    def count(self, layer: Layer) -> int:
        """m · in · b + out."""
        inputs, outputs = sizes(layer.module)
        return self.factors * inputs * self.block_size + outputs

    def shown(self) -> list[str]:
        parts = [f'block_size={self.block_size}', f'factors={self.factors}']
        return [*parts, f'dropout={self.dropout:g}'] if self.dropout else parts


class BlockDiagonal:
    """Does what PEFT's CUDA extension does, under the name that PEFT calls it by."""

    @staticmethod
    def apply(blocks: Tensor) -> Tensor:
        """Blocks (m, n, b, b) → m block-diagonal matrices (m, n b, n b)."""
        return torch.stack([torch.block_diag(*each) for each in blocks])
