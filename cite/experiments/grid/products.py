"""Matrix products under `torch.vmap` that copy nothing to every member.

PyTorch batches x Wᵀ over many W by repeating x for each of them. Where x is shared, one product with all
rows of all W does the same: for small heads that is most of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_PRODUCTS = (torch.matmul, torch.mm, Tensor.matmul, Tensor.mm, Tensor.__matmul__)


class Product(torch.autograd.Function):
    """x (B, in), w (out, in) → x wᵀ (B, out), either of them one per member or the same for all."""

    generate_vmap_rule = False

    @staticmethod
    def forward(x: Tensor, w: Tensor) -> Tensor:
        return x @ w.mT

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, w = ctx.saved_tensors
        of_x, of_w = ctx.needs_input_grad
        return gradient @ w if of_x else None, gradient.mT @ x if of_w else None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None], x: Tensor, w: Tensor
    ) -> tuple[Tensor, int]:
        of_x, of_w = in_dims
        if of_w is None:
            assert of_x is not None  # else there is nothing to batch
            return _one_w(x.movedim(of_x, 0), w)
        w = w.movedim(of_w, 0)
        if of_x is None:
            members, out = w.shape[:2]
            return Product.apply(x, w.flatten(0, 1)).unflatten(1, (members, out)), 1
        return Products.apply(x.movedim(of_x, 0), w), 0


class Products(torch.autograd.Function):
    """x (M, B, in), w (M, out, in) → x wᵀ (M, B, out); gradients lie in memory as what they are of."""

    generate_vmap_rule = False

    @staticmethod
    def forward(x: Tensor, w: Tensor) -> Tensor:
        if w.shape[1] < x.shape[1]:  # few outputs: faster, and laid out as the loss reads them
            return torch.bmm(w, x.mT).mT
        return torch.bmm(x, w.mT)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None]:
        x, w = ctx.saved_tensors
        of_x, of_w = ctx.needs_input_grad
        return (
            torch.bmm(gradient, w) if of_x else None,
            torch.bmm(gradient.mT, x) if of_w else None,
        )

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[int | None, int | None], x: Tensor, w: Tensor
    ) -> tuple[Tensor, int]:
        x, w = (
            tensor.expand(info.batch_size, *tensor.shape) if dim is None else tensor.movedim(dim, 0)
            for tensor, dim in zip((x, w), in_dims, strict=True)
        )
        out = Products.apply(x.flatten(0, 1), w.flatten(0, 1))
        return out.unflatten(0, x.shape[:2]), 0


def _one_w(x: Tensor, w: Tensor) -> tuple[Tensor, int]:
    """x (members, B, in) laid out as it is, so that folding two dimensions moves nothing."""
    at = 0 if x.stride(0) >= x.stride(1) else 1
    x = x.movedim(0, at)
    return Product.apply(x.flatten(0, 1), w).unflatten(0, x.shape[:2]), at


class SharedProducts(TorchFunctionMode):
    """Inside, layers and products of matrices go through `Product`."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        if func is F.linear and not kwargs and args[0].ndim == 2:
            x, w, bias = (*args, None)[:3]
            out = Product.apply(x, w)
            return out if bias is None else out + bias
        if func in _PRODUCTS and not kwargs and args[0].ndim == args[1].ndim == 2:
            return Product.apply(args[0], args[1].mT)
        return func(*args, **(kwargs or {}))
