"""Attention rollout (Abnar & Zuidema, ACL 2020, eq. 1): how attention hands tokens on, block by block.

It knows no classes, and it sees attention alone: not what the values, the MLPs and the head make of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from cite.attribution.attention_record import AttentionRecord
from cite.attribution.methods.base import METHODS, Grids, Method
from cite.attribution.passes import as_maps
from cite.attribution.subject import Subject
from cite.encoders.towers.tower import VisionTower
from cite.encoders.towers.vit import PlainViT
from cite.errors import ModelError


@METHODS.register
class Rollout(Method):
    """The share that each patch token has in what is pooled, when half of a block is its attention.

    The mean over heads, and the identity for the residual path, weigh a half each. What is pooled is the
    class token, the mean of the patches, both, or what an attentional pooling looks at. Tokens of prompts
    pass on what they heard; what comes from the prompts themselves is no patch's share and is left out, as
    are class token and registers.
    """

    name = 'rollout'
    paper = 'Abnar & Zuidema, ACL 2020'
    knows_classes = False

    @torch.no_grad()
    def __call__(
        self, subject: Subject, images: Tensor, classes: Sequence[int], contrast: bool
    ) -> Grids:
        tower = subject.tower
        if not isinstance(tower.stages, PlainViT):
            raise ModelError(
                f'{tower.card.name} is {tower.stages.description}, and rollout needs a plain vision '
                "transformer, where every token attends to all; use 'scores', 'gradcam' or 'gradients'"
                if tower.depth
                else f'{tower.card.name} is {tower.stages.description}, and rollout needs the blocks of a '
                "plain vision transformer; use 'gradients'"
            )
        shares = _rollout(tower, tower.normalise(images))
        grid = as_maps(tower, shares[None, :, None])[0]
        return Grids(grid.expand(len(classes), -1, -1), False, 'share', [{} for _ in classes])


def _rollout(tower: VisionTower, images: Tensor) -> Tensor:
    """Normalised images (1, 3, H, W) → (prefix + patches,): shares in what is pooled."""
    tuning, prefix = tower.tuning, tower.num_prefix_tokens
    tokens = tower.stages.embed(tuning.before_embed(images))
    tuning.start(tokens)
    own = tokens.shape[1]
    flow = torch.eye(own, device=tokens.device)  # (tokens now, tokens of the embedding)
    for index in range(tower.depth):
        entered = tuning.before_block(index, tokens)
        flow = _with_prompts(flow, tokens, entered, prefix)
        with AttentionRecord() as record:
            tokens = tuning.run_block(index, entered, tower.stages.block)
        weights = _only(record, tower, f'block {index}', len(flow))
        flow = (weights + torch.eye(len(flow), device=flow.device)) / 2 @ flow
    pooled = tuning.after_blocks(tokens)
    flow = torch.cat([flow[:prefix], flow[len(flow) - (own - prefix) :]])
    with AttentionRecord() as record:
        tower.pool(pooled)
    if record.weights:
        weights = _only(record, tower, 'its pooling', None)
        return (weights @ flow[-weights.shape[-1] :]).mean(0)
    return _pooled(tower, flow)


def _with_prompts(flow: Tensor, before: Tensor, after: Tensor, prefix: int) -> Tensor:
    """Rows of prompts that have just entered are empty: they have seen no patch."""
    if after.shape == before.shape:
        same = (before == after).all(dim=-1)[0]
        same[:prefix], same[len(same) - (flow.shape[1] - prefix) :] = (
            True,
            True,
        )  # prompts may be added
        return flow * same[:, None]
    patches = flow.shape[1] - prefix
    fresh = flow.new_zeros(after.shape[1] - flow.shape[1], flow.shape[1])
    return torch.cat([flow[:prefix], fresh, flow[len(flow) - patches :]])


def _only(record: AttentionRecord, tower: VisionTower, where: str, tokens: int | None) -> Tensor:
    """The mean over heads of the one attention that was computed, (queries, keys)."""
    found = record.weights
    if len(found) != 1 or (tokens is not None and found[0].shape[-2:] != (tokens, tokens)):
        raise ModelError(
            f'{tower.card.name}: {where} computed {len(found)} attentions that could be seen where rollout '
            "needs one over all tokens; use 'scores', 'gradcam' or 'gradients'"
        )
    return found[0][0].mean(0)


def _pooled(tower: VisionTower, flow: Tensor) -> Tensor:
    """The row of what a pooling without attention takes."""
    trunk: Any = tower.trunk
    mean = flow[tower.num_prefix_tokens :].mean(0)
    if tower.card.feature == 'token+mean':
        return (flow[0] + mean) / 2
    if getattr(trunk, 'global_pool', 'token') == 'token' and tower.num_prefix_tokens:
        return flow[0]
    return flow.mean(0) if getattr(trunk, 'pool_include_prefix', False) else mean
