"""A tower's forward pass in two parts, with what lies between as maps of its patches.

`VisionTower.forward` keeps no gradients in front of the first trained weight, and gives features alone;
attribution needs gradients anywhere, and what is inside. Nothing is hooked into the tower.
"""

from __future__ import annotations

from math import isqrt

import torch
from torch import Tensor

from cite.encoders.towers.tower import VisionTower
from cite.errors import ModelError

AT_ONCE = 256
"""Patches that are pooled together."""


def entering(tower: VisionTower, images: Tensor, stop: int) -> Tensor:
    """Normalised images (B, 3, H, W) → what leaves block `stop - 1`, prompts included."""
    tokens = tower.stages.embed(tower.tuning.before_embed(images))
    tower.tuning.start(tokens)
    for index in range(stop):
        tokens = tower.tuning.before_block(index, tokens)
        tokens = tower.tuning.run_block(index, tokens, tower.stages.block)
    return tokens


def onwards(tower: VisionTower, tokens: Tensor, start: int, images: Tensor) -> Tensor:
    """What enters block `start` → features (B, D)."""
    for index in range(start, tower.depth):
        tokens = tower.tuning.before_block(index, tokens)
        tokens = tower.tuning.run_block(index, tokens, tower.stages.block)
    features = tower.pool(tower.tuning.after_blocks(tokens))
    return tower.tuning.after_pool(features, images)


def check_blocks(tower: VisionTower, method: str) -> None:
    """Raise ModelError unless a tower is taken apart into blocks."""
    if not tower.depth:
        raise ModelError(
            f"{tower.card.name} is {tower.stages.description}, so the method '{method}' finds no tokens or "
            "maps in it; 'gradients' works on any model"
        )


def as_maps(tower: VisionTower, tokens: Tensor) -> Tensor:
    """What a block takes or gives → (B, channels, R, C) of its patches, without prefix and prompts."""
    if tower.stages.convolutional:
        return tokens
    if tokens.ndim == 4:  # rows, columns, channels
        return tokens.permute(0, 3, 1, 2)
    side = isqrt(tower.num_patches)
    # class token and registers come first, then prompts, then patches
    return tokens[:, -tower.num_patches :].transpose(1, 2).unflatten(2, (side, side))


def with_maps(tower: VisionTower, tokens: Tensor, maps: Tensor) -> Tensor:
    """`tokens` with its patches replaced by what `as_maps` gave of them."""
    if tower.stages.convolutional:
        return maps
    if tokens.ndim == 4:
        return maps.permute(0, 2, 3, 1)
    others = tokens[:, : -tower.num_patches]
    return torch.cat([others, maps.flatten(2).transpose(1, 2)], dim=1)


def each_patch(tower: VisionTower, tokens: Tensor, images: Tensor) -> Tensor:
    """What leaves the last block, of one image → the feature that each patch alone would be.

    The pooling is given images that have this one patch everywhere: a patch token stands where the class
    token stood, a mean is the patch itself, and an attentional pooling, which cannot choose, passes its
    value on. Where the feature is the class token beside the mean, the image keeps its class token. A map
    is pooled place by place.

    Args:
        tokens: (1, …), in front of the pooling.
        images: (1, 3, H, W), normalised.

    Returns:
        (R · C, D), row by row.

    Raises:
        ModelError: A pooling that takes whole images only.
    """
    tokens = tower.tuning.after_blocks(tokens)
    maps = as_maps(tower, tokens)
    single = maps[0].flatten(1).T  # (patches, channels)
    if tokens.ndim == 3:
        prefix = tower.num_prefix_tokens
        several = single[:, None].repeat(1, 1 + prefix, 1)
        if tower.card.feature == 'token+mean':
            several[:, :prefix] = tokens[:, :prefix]
    elif tower.stages.convolutional:
        several = single[:, :, None, None]
    else:
        several = single[:, None, None, :]
    found = []
    for part in several.split(AT_ONCE):
        try:
            features = tower.pool(part)
        except RuntimeError as error:
            raise ModelError(
                f'{tower.card.name} pools whole images only ({str(error).splitlines()[0]}), so its patches '
                "have no scores; use 'gradcam' or 'gradients'"
            ) from error
        same = images.expand(len(part), -1, -1, -1)
        found.append(tower.tuning.after_pool(features, same))
    return torch.cat(found)
