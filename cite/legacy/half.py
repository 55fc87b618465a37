"""Neck and heads in pure float16, as the published code ran them on GPUs.

Weights, features, logits and so the loss are float16, without master weights; its optimiser scaled no
loss. On a GPU they go with `model.precision='fp16'` and `optim_wrapper.loss_scaling=False`. The published
tower was float16 throughout as well, residual stream included; ours computes under autocast.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cite.heads.base import HEADS
from cite.heads.linear import LinearHead
from cite.heads.text_embedding import TextEmbeddingHead
from cite.necks.base import NECKS
from cite.necks.projection import ProjectionNeck


@NECKS.register
class HalfProjectionNeck(ProjectionNeck):
    """`ProjectionNeck` with float16 weights."""

    def attach(self, in_features: int, wanted: int | None) -> None:
        super().attach(in_features, wanted)
        self.weight = nn.Parameter(self.weight.detach().half())
        self.bias = None if self.bias is None else nn.Parameter(self.bias.detach().half())
        self.requires_grad_(not self.frozen)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(features.half())


@HEADS.register
class HalfTextEmbeddingHead(TextEmbeddingHead):
    """`TextEmbeddingHead` in float16: anchors are rounded before they are normalised."""

    dtype = torch.float16


@HEADS.register
class HalfLinearHead(LinearHead):
    """`LinearHead` in float16."""

    dtype = torch.float16
