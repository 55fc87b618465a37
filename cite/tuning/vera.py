"""VeRA: two random matrices that all layers share, and trained vectors that scale them."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import nn

from cite.tuning.base import TUNINGS
from cite.tuning.injected import InjectedTuning
from cite.tuning.layer_names import Layer
from cite.tuning.layers import sizes
from cite.tuning.numbers import share, whole

if TYPE_CHECKING:
    from peft import PeftConfig


@TUNINGS.register
class VeRA(InjectedTuning):
    """A layer computes W x + b ⊙ (B (d ⊙ (A x))); only b, of length out, and d, of length r, train.

    A and B are drawn once for the largest layer, from the seed, on the CPU; other layers take a part of
    them. They are frozen and not saved: the seed makes the same ones again, on every machine. b starts at
    zero: an untrained tower computes what it did without.

    Args:
        r: Rank of A and B. It costs little: take it large.
        dropout: Of what enters A, in training.
        seed: Of A and B.
        targets, blocks: See `InjectedTuning`.
    """

    paper = 'VeRA: Kopiczko et al., ICLR 2024'
    marks = ('vera_',)
    dropouts = ('vera_dropout',)

    def __init__(
        self,
        r: int = 256,
        dropout: float = 0.0,
        seed: int = 0,
        targets: str | Sequence[str] = 'attn',
        blocks: str | int | Sequence[int] = 'all',
    ) -> None:
        super().__init__(targets, blocks)
        self.r = whole(f'{self.name}: r', r)
        self.dropout = share(f'{self.name}: dropout', dropout)
        self.seed = whole(f'{self.name}: seed', seed, least=0)

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import VeraConfig

        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that the matrices are not saved
            return VeraConfig(
                r=self.r,
                vera_dropout=self.dropout,
                projection_prng_key=self.seed,
                save_projection=False,
                target_modules=pattern,
            )

    def inject(self, config: PeftConfig, trunk: nn.Module) -> None:
        # `inject_adapter_in_model` refuses what layers share, as nobody would save it; here the seed does
        from peft import VeraModel

        model = VeraModel(trunk, config, 'default')
        for shared in (model.vera_A, model.vera_B):  # in the model's precision, where that is half
            shared['default'] = shared['default'].float()

    def count(self, layer: Layer) -> int:
        """r + out."""
        return self.r + sizes(layer.module)[1]

    def shown(self) -> list[str]:
        dropout = [f'dropout={self.dropout:g}'] if self.dropout else []
        return [f'r={self.r}', *dropout]
