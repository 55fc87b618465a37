"""OFT: the inputs of frozen layers, rotated."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS
from cite.tuning.injected import InjectedTuning
from cite.tuning.layer_names import Layer
from cite.tuning.layers import sizes
from cite.tuning.numbers import whole

if TYPE_CHECKING:
    from peft import PeftConfig


@TUNINGS.register
class OFT(InjectedTuning):
    """A layer computes W R x, with R orthogonal and block-diagonal: angles between neurons stay.

    Each block is the Cayley transform of a trained skew-symmetric matrix, which starts at zero: an
    untrained tower computes what it did without.

    Args:
        block_size: Side of the blocks of R; it must divide the inputs of every adapted layer.
        targets, blocks: See `InjectedTuning`.
    """

    paper = 'OFT: Qiu et al., NeurIPS 2023'
    marks = ('oft_',)

    def __init__(
        self,
        block_size: int = 32,
        targets: str | Sequence[str] = 'attn',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__(targets, blocks)
        self.block_size = whole(f'{self.name}: block_size', block_size, least=2)

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import OFTConfig

        self.check_sizes(layers)
        return OFTConfig(
            r=0,
            oft_block_size=self.block_size,
            use_cayley_neumann=False,  # PEFT would cut the series short, and R would be no rotation
            target_modules=pattern,
        )

    def check_sizes(self, layers: Sequence[Layer]) -> None:
        """PEFT would take another size of block where it does not fit."""
        for layer in layers:
            width, _ = sizes(layer.module)
            if width % self.block_size:
                raise ConfigError(
                    f'{self.name}: block_size={self.block_size} does not divide the {width} inputs of '
                    f'{layer.name}. Give a divisor'
                )

    def count(self, layer: Layer) -> int:
        """in · (block size - 1) / 2: the skew-symmetric blocks."""
        return sizes(layer.module)[0] * (self.block_size - 1) // 2

    def shown(self) -> list[str]:
        return [f'block_size={self.block_size}']
