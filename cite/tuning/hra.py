"""HRA: the inputs of frozen layers, reflected."""

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
class HRA(InjectedTuning):
    """A layer computes W H₁ … H_r x, each H a Householder reflection at a trained vector.

    The product is orthogonal, and as near to the identity as a low rank makes it. Vectors are drawn in
    equal pairs, whose reflections undo each other: an untrained tower computes what it did without, up
    to rounding.

    Args:
        r: Reflections per layer, an even number.
        targets, blocks: See `InjectedTuning`.
    """

    paper = 'HRA: Yuan et al., NeurIPS 2024'
    marks = ('hra_',)

    def __init__(
        self,
        r: int = 8,
        targets: str | Sequence[str] = 'attn',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__(targets, blocks)
        self.r = whole(f'{self.name}: r', r, least=2)
        if self.r % 2:
            raise ConfigError(f'{self.name}: r must be even, found {r!r}')

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import HRAConfig

        return HRAConfig(r=self.r, target_modules=pattern)

    def count(self, layer: Layer) -> int:
        """in · r."""
        return sizes(layer.module)[0] * self.r

    def shown(self) -> list[str]:
        return [f'r={self.r}']
