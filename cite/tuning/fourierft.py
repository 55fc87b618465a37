"""FourierFT: a few trained coefficients of the update's spectrum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cite.errors import ConfigError
from cite.tuning.base import TUNINGS
from cite.tuning.injected import InjectedTuning
from cite.tuning.layer_names import Layer
from cite.tuning.layers import sizes
from cite.tuning.numbers import above_zero, whole

if TYPE_CHECKING:
    from peft import PeftConfig


@TUNINGS.register
class FourierFT(InjectedTuning):
    """A layer computes W x + scale · Re(IFFT(S)) x, with S zero but for n trained coefficients.

    Which coefficients they are is drawn from the seed, alike for layers of the same sizes, and is not
    saved: the seed draws the same ones again. All start at zero: an untrained tower computes what it did
    without. (PEFT's own default draws them, so that training starts from another model.)

    Args:
        n: Coefficients per layer.
        scale: The update is multiplied by it. It is large as the inverse transform divides by in · out.
        seed: Of the choice of coefficients.
        targets, blocks: See `InjectedTuning`.
    """

    paper = 'FourierFT: Gao et al., ICML 2024'
    marks = ('fourierft_',)

    def __init__(
        self,
        n: int = 1000,
        scale: float = 150.0,
        seed: int = 777,
        targets: str | Sequence[str] = 'attn',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__(targets, blocks)
        self.n = whole(f'{self.name}: n', n)
        self.scale = above_zero(f'{self.name}: scale', scale)
        self.seed = whole(f'{self.name}: seed', seed, least=0)

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import FourierFTConfig

        for layer in layers:
            inputs, outputs = sizes(layer.module)
            if self.n > inputs * outputs:
                raise ConfigError(
                    f'{self.name}: n={self.n} is more than the {inputs} × {outputs} weights of {layer.name}'
                )
        return FourierFTConfig(
            n_frequency=self.n,
            scaling=self.scale,
            random_loc_seed=self.seed,
            init_weights=True,
            target_modules=pattern,
        )

    def count(self, layer: Layer) -> int:
        """n."""
        return self.n

    def shown(self) -> list[str]:
        return [f'n={self.n}']
