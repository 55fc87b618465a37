"""LN tuning as PEFT does it: a trained copy of each layer norm."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cite.tuning.base import TUNINGS
from cite.tuning.injected import InjectedTuning
from cite.tuning.layer_names import Layer
from cite.tuning.norm import is_norm

if TYPE_CHECKING:
    from peft import PeftConfig


@TUNINGS.register
class LNTuning(InjectedTuning):
    """Norm layers of chosen blocks train, as copies in front of the frozen ones.

    LayerNorm, RMSNorm and GroupNorm of every library; BatchNorm, whose statistics would have to be copied
    too, trains by `LayerNormTuning`, which also takes the norm behind the blocks. A copy starts as what it
    is a copy of.

    Args:
        blocks: See `InjectedTuning`.
    """

    paper = 'LN tuning: Zhao et al., ICLR 2024'
    marks = ('ln_tuning_',)
    joins = 'layer norms'

    def __init__(self, blocks: str | int | Sequence[int] = 'all') -> None:
        super().__init__(['norms'], blocks)

    def takes(self, module: nn.Module) -> bool:
        return is_norm(module) and not isinstance(module, _BatchNorm)

    def inner(self, layers: Sequence[Layer]) -> set[str]:
        return {layer.inner for layer in layers}

    def inject(self, config: PeftConfig, trunk: nn.Module) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # that a norm has no number of inputs that PEFT knows
            super().inject(config, trunk)
        for layer in trunk.modules():
            for copy in getattr(layer, 'ln_tuning_layers', nn.ModuleDict()).values():
                dtype = next(copy.parameters()).dtype
                if dtype != torch.float32:  # it is about to be
                    copy.register_forward_pre_hook(_in_float32)
                    copy.register_forward_hook(partial(_back, dtype))

    def config(self, pattern: str, layers: Sequence[Layer]) -> PeftConfig:
        from peft import LNTuningConfig

        return LNTuningConfig(target_modules=pattern)

    def count(self, layer: Layer) -> int:
        """The sizes of its weight and bias."""
        return sum(weight.numel() for weight in layer.module.parameters(recurse=False))


def _in_float32(_norm: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return tuple(each.float() for each in inputs)


def _back(dtype: torch.dtype, _norm: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor) -> Tensor:
    return out.to(dtype)
