"""Kinds of layers that PEFT can join, and the few that look like one and are none."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from cite.tuning.layer_names import Layer


def is_linear(module: nn.Module) -> bool:
    """Whether it is a linear layer."""
    return isinstance(module, nn.Linear)


def is_convolution(module: nn.Module) -> bool:
    """Whether it is a convolution over two axes, not grouped, that pads by fixed widths.

    Those that pad as TensorFlow does, by the size of their input, do it in their own forward pass.
    """
    from timm.layers import StdConv2d

    if not isinstance(module, nn.Conv2d) or module.groups != 1 or isinstance(module.padding, str):
        return False
    return computes_plainly(module) or type(module).forward is StdConv2d.forward


def computes_plainly(module: nn.Module) -> bool:
    """Whether the layer uses its weight as it is; a BiT's convolutions standardise theirs."""
    return type(module).forward in (nn.Linear.forward, nn.Conv2d.forward)


def bypassed(layer: Layer) -> bool:
    """Whether the model computes with the layer's weight and does not call the layer.

    So does PyTorch's `MultiheadAttention`, and so do timm's attentions that put the bias of query and
    value together anew in each pass (BEiT, some EVA).
    """
    if isinstance(layer.parent, nn.MultiheadAttention):
        return True
    q_bias = getattr(layer.parent, 'q_bias', None)
    apart = getattr(layer.parent, 'qkv_bias_separate', False)
    return q_bias is not None and not apart and layer.inner.endswith('qkv')


def sizes(module: nn.Module) -> tuple[int, int]:
    """Inputs and outputs of a layer as a matrix: a convolution's inputs are channels × kernel."""
    weight: nn.Parameter = module.weight  # type: ignore[assignment]
    return prod(weight.shape[1:]), weight.shape[0]
