"""CLIP's activation, x · σ(1.702 x), in fewer passes over memory and with its input alone kept.

Written out, it keeps x and σ for the backward pass: of all that a block keeps, the largest part.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 1.702


class QuickGELU(nn.Module):
    """silu(1.702 x) / 1.702, which is the same function."""

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _QuickGELU.apply(x)
        return out


class _QuickGELU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return F.silu(x * SLOPE, inplace=True).div_(SLOPE)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return torch.ops.aten.silu_backward(gradient, x * SLOPE)


def swap_quick_gelu(trunk: nn.Module) -> None:
    """Puts it in the place of timm's; neither has weights, so names stay."""
    from timm.layers.activations import QuickGELU as Written

    for module in list(trunk.modules()):
        for name, child in module.named_children():
            if type(child) is Written:
                setattr(module, name, QuickGELU().train(child.training))
