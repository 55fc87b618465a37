"""Attention in bf16 on CPUs, by matrix products that are as fast as any other there.

PyTorch's fused kernel for CPUs multiplies tiles at a fraction of the speed of oneDNN where a processor has
AVX-512 BF16 and no AMX. Here scores are made for a few heads at a time, so that they stay in the cache, and
are made again in the backward pass: as in the fused kernel, only queries, keys and values are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SCORES = 1 << 20
"""Scores that are made at once: 2 MiB."""


def pays() -> bool:
    """Whether this processor computes it faster than PyTorch's kernel does."""
    return _has('_is_avx512_bf16_supported') and not _has('_is_amx_tile_supported')


class ByProducts(TorchFunctionMode):
    """Inside, `F.scaled_dot_product_attention` of CPU tensors is computed so, in bf16.

    Calls with a mask, dropout, a causal mask or fewer keys than queries in heads go to PyTorch. Scores are
    rounded to bf16 before the softmax, as autocast rounds them where attention is not fused.
    """

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is F.scaled_dot_product_attention and _plain(args, options):
            query, key, value = (t.bfloat16() for t in args)
            scale = options.get('scale')
            return attention(query, key, value, query.shape[-1] ** -0.5 if scale is None else scale)
        return func(*args, **options)


def _plain(args: Sequence[Any], options: Mapping[str, Any]) -> bool:
    if len(args) != 3 or any(options.get(k) for k in ('dropout_p', 'is_causal', 'enable_gqa')):
        return False
    query, key, value = args
    return (
        options.get('attn_mask') is None
        and query.device.type == 'cpu'
        and query.ndim == 4
        and query.shape[:2] == key.shape[:2] == value.shape[:2]
    )


@torch.library.custom_op('cite::attention', mutates_args=())
def attention(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    """softmax(scale · q kᵀ) v, of bf16 tensors.

    Args:
        query: (B, heads, N, D).
        key: (B, heads, M, D).
        value: (B, heads, M, D').
        scale: Of the scores.

    Returns:
        (B, heads, N, D'), in memory as (B, N, heads, D'), which is what the next layer takes.
    """
    out = _empty(query, value.shape[-1])
    with torch.autocast('cpu', enabled=False):
        for some in _parts(query, key):
            q, k, v = (_heads(t[some]) for t in (query, key, value))
            mixed = torch.bmm(_weights(q * scale, k), v)
            out[some] = mixed.view(-1, *out.shape[1:])
    return out


@attention.register_fake
def _(query: Tensor, key: Tensor, value: Tensor, scale: float) -> Tensor:
    return _empty(query, value.shape[-1])


@torch.library.custom_op('cite::attention_backward', mutates_args=())
def _backward(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    grads = [_empty(t, t.shape[-1]) for t in (query, key, value)]
    with torch.autocast('cpu', enabled=False):
        for some in _parts(query, key):
            g, q, k, v = (_heads(t[some]) for t in (gradient, query, key, value))
            q = q * scale
            weights = _weights(q, k)
            d_scores = torch._softmax_backward_data(
                torch.bmm(g, v.transpose(1, 2)), weights, -1, weights.dtype
            )
            parts = (
                torch.bmm(d_scores, k).mul_(scale),
                torch.bmm(d_scores.transpose(1, 2), q),
                torch.bmm(weights.transpose(1, 2), g),
            )
            for grad, part in zip(grads, parts, strict=True):
                grad[some] = part.view(-1, *grad.shape[1:])
    return grads[0], grads[1], grads[2]


@_backward.register_fake
def _(
    gradient: Tensor, query: Tensor, key: Tensor, value: Tensor, scale: float
) -> tuple[Tensor, Tensor, Tensor]:
    return tuple(_empty(t, t.shape[-1]) for t in (query, key, value))  # type: ignore[return-value]


def _set_up(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    *tensors, ctx.scale = inputs
    ctx.save_for_backward(*tensors)


def _differentiate(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
    return *_backward(gradient, *ctx.saved_tensors, ctx.scale), None


attention.register_autograd(_differentiate, setup_context=_set_up)


def _weights(query: Tensor, key: Tensor) -> Tensor:
    return torch.bmm(query, key.transpose(1, 2)).softmax(-1)


def _parts(query: Tensor, key: Tensor) -> list[slice]:
    """Images whose scores are made at once."""
    batch, heads, rows, _ = query.shape
    step = max(1, SCORES // (heads * rows * key.shape[2]))
    return [slice(start, start + step) for start in range(0, batch, step)]


def _heads(tensor: Tensor) -> Tensor:
    """(B, heads, N, D) → (B · heads, N, D), in that order in memory."""
    return tensor.flatten(0, 1).contiguous()


def _empty(like: Tensor, width: int) -> Tensor:
    batch, heads, rows, _ = like.shape
    return like.new_empty(batch, rows, heads, width).transpose(1, 2)


def _has(name: str) -> bool:
    return bool(getattr(torch.cpu, name, bool)())
