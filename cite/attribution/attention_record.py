"""Attention probabilities, exactly as a block uses them, though fused kernels never show them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

SOFTMAX = (torch.softmax, Tensor.softmax, F.softmax)


class AttentionRecord(TorchFunctionMode):
    """Inside, every attention that is computed leaves its probabilities here; results stay as they are.

    The arguments of the fused kernel are taken as they come, with whatever made them (norms of queries and
    keys, LoRA, positional bias, prompts), so that no kind of attention needs code of its own. Where a block
    computes its softmax in the open, that is taken.

    Attributes:
        weights: (B, heads, queries, keys) float32 each, in the order of computation.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        options = dict(kwargs or {})
        if func is F.multi_head_attention_forward:  # it gives them if asked
            asked = {**options, 'need_weights': True, 'average_attn_weights': False}
            both: Any = func(*args, **asked)
            self.weights.append(both[1].float())
            return both
        out: Any = func(*args, **options)
        if func is F.scaled_dot_product_attention:
            self.weights.append(probabilities(*args, **options))
        elif func in SOFTMAX and out.ndim == 4:
            self.weights.append(out.float())
        return out


def probabilities(
    query: Tensor,
    key: Tensor,
    value: Tensor | None = None,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """What `F.scaled_dot_product_attention` multiplies values with, (B, heads, queries, keys) float32.

    The arguments are its own; dropout is none.
    """
    del value, dropout_p
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], dim=-3)
    factor = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = query.float() @ key.float().transpose(-2, -1) * factor
    if is_causal:
        below = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
        scores = scores.masked_fill(~below, -math.inf)
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            scores = scores.masked_fill(~attn_mask, -math.inf)
        else:
            scores = scores + attn_mask
    return scores.softmax(-1)
