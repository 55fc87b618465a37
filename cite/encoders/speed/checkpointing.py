"""Blocks that keep their input alone and are computed again in the backward pass.

Activation checkpointing: Chen et al., 'Training Deep Nets with Sublinear Memory Cost', 2016.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from cite.precision import same_attention

Run = Callable[[int, Tensor], Tensor]


def checkpointed(run: Run) -> Run:
    """What runs a block (index, tokens) → the same, keeping only the tokens where gradients are taken.

    Dropout draws the same numbers again.
    """

    def again(index: int, tokens: Tensor) -> Tensor:
        if not torch.is_grad_enabled():
            return run(index, tokens)
        out: Tensor = checkpoint(run, index, tokens, use_reentrant=False, context_fn=_contexts)
        return out

    return again


def _contexts() -> tuple[AbstractContextManager[object], AbstractContextManager[object]]:
    """Around the pass and its repetition: autocast is PyTorch's business, attention is ours."""
    return nullcontext(), same_attention()
