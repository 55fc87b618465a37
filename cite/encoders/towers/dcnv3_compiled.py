"""The compiled operator of InternImage's authors, where a user has installed it.

It is built from the source in their repository (`classification/ops_dcnv3`), which installs an extension
module `DCNv3`. Nothing here needs it.
"""

from __future__ import annotations

import importlib
from functools import cache
from importlib import metadata
from typing import Any

from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable


@cache
def compiled_dcnv3() -> Any:
    """The extension module, found at the first call; None where there is none that works."""
    try:
        module = importlib.import_module('DCNv3')
    except (ImportError, OSError):  # not there, or built for another PyTorch
        return None
    return module if hasattr(module, 'dcnv3_forward') else None


class CompiledDCNv3(Function):
    """What `dcnv3` computes, by the extension, with gradients: kernel 3, stride, padding and dilation 1."""

    @staticmethod
    def forward(
        ctx: Any,
        operator: Any,
        values: Tensor,
        offsets: Tensor,
        weights: Tensor,
        groups: int,
        offset_scale: float,
    ) -> Tensor:
        ctx.operator = operator
        ctx.shape = (3, 3, 1, 1, 1, 1, 1, 1, groups, values.shape[-1] // groups, offset_scale)
        tensors = values.contiguous(), offsets.contiguous(), weights.contiguous()
        ctx.save_for_backward(*tensors)
        out: Tensor = operator.dcnv3_forward(*tensors, *ctx.shape, *_last(values))
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        values, offsets, weights = ctx.saved_tensors
        found = ctx.operator.dcnv3_backward(
            values, offsets, weights, *ctx.shape, grads[0].contiguous(), *_last(values)
        )
        return None, *found, None, None


def _last(values: Tensor) -> tuple[int, ...]:
    """The arguments behind the others: images computed at once, and whether the centre is left out.

    The operator wants the batch to be a multiple of the former. Version 1.0 does not know the latter.
    """
    return (len(values),) if _version() == '1.0' else (len(values), 0)


@cache
def _version() -> str | None:
    try:
        return metadata.version('DCNv3')
    except metadata.PackageNotFoundError:
        return None
