"""Swin's blocks with prompts, window by window, as the paper has them: what fast code is held against."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from cite.encoders.towers.tower import VisionTower


def block_by_windows(block: Any, grid: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    """Grid (B, H, W, C) and prompts (B, P, C) → both behind one block."""
    grids, told = [], []
    for image, own in zip(grid, prompts, strict=True):
        seen, heard = _attend(block, block.norm1(image), block.norm1(own))
        grids.append(image + seen)
        told.append(own + heard)
    patches, prompts = torch.stack(grids), torch.stack(told)
    patches = patches + block.mlp(block.norm2(patches))
    return patches, prompts + block.mlp(block.norm2(prompts))


def _attend(block: Any, image: Tensor, prompts: Tensor) -> tuple[Tensor, Tensor]:
    (rows, columns, channels), length = image.shape, len(prompts)
    (high, wide), (down, right) = block.window_size, block.shift_size
    seen, heard, windows = torch.zeros_like(image), torch.zeros_like(prompts), 0
    padded = -(-rows // high) * high, -(-columns // wide) * wide
    for top in range(0, rows, high):
        for left in range(0, columns, wide):
            places = [(top + y, left + x) for y in range(high) for x in range(wide)]
            real = [y < rows and x < columns for y, x in places]
            homes = [((y + down) % rows, (x + right) % columns) for y, x in places]
            zero = image.new_zeros(channels)
            tokens = [
                image[home] if there else zero for home, there in zip(homes, real, strict=True)
            ]
            bias = _bias(block, places, padded, length)
            out = _softmax_attention(block.attn, torch.cat([prompts, torch.stack(tokens)]), bias)
            heard, windows = heard + out[:length], windows + 1
            for home, there, token in zip(homes, real, out[length:], strict=True):
                if there:
                    seen[home] = token
    return seen, heard / windows


def _bias(
    block: Any, places: list[tuple[int, int]], padded: tuple[int, int], length: int
) -> Tensor:
    """(heads, N, N): relative positions among patches, -100 between what the shift brought together."""
    (high, wide), shift, table = (
        block.window_size,
        block.shift_size,
        block.attn.relative_position_bias_table,
    )
    count = length + len(places)
    bias = torch.zeros(block.attn.num_heads, count, count)
    for a, (y, x) in enumerate(places):
        for b, (v, u) in enumerate(places):
            entry = table[(y - v + high - 1) * (2 * wide - 1) + x - u + wide - 1]
            apart = any(shift) and _region(block, (y, x), padded) != _region(block, (v, u), padded)
            bias[:, length + a, length + b] = entry - (100 if apart else 0)
    return bias


def _region(block: Any, place: tuple[int, int], padded: tuple[int, int]) -> tuple[int, ...]:
    sizes = zip(place, padded, block.window_size, block.shift_size, strict=True)
    return tuple((at >= size - window) + (at >= size - shift) for at, size, window, shift in sizes)


def _softmax_attention(attention: Any, tokens: Tensor, bias: Tensor) -> Tensor:
    heads = attention.num_heads
    query, key, value = attention.qkv(tokens).chunk(3, dim=-1)
    found = []
    for head, (q, k, v) in enumerate(
        zip(*(part.chunk(heads, dim=-1) for part in (query, key, value)), strict=True)
    ):
        scores = q @ k.T / q.shape[-1] ** 0.5 + bias[head]
        found.append(scores.softmax(dim=-1) @ v)
    out: Tensor = attention.proj(torch.cat(found, dim=-1))
    return out


def tower_by_windows(tower: VisionTower, images: Tensor, prompts: dict[int, Tensor]) -> Tensor:
    """A Swin tower with prompts (P, C) that enter at blocks, replace those before, and get merged."""
    stages: Any = tower.stages
    grid, running = tower.embed(images), None
    for index, block in enumerate(tower.blocks):
        merging = stages.merging.get(index)
        if isinstance(merging, torch.nn.Module) and not isinstance(merging, torch.nn.Identity):
            grid = merging(grid)
            if running is not None:  # two by two equal patches
                running = torch.stack(
                    [
                        merging(token.expand(len(images), 2, 2, -1))[:, 0, 0]
                        for token in _one_by_one(running)
                    ],
                    dim=1,
                )
        if index in prompts:
            running = prompts[index].expand(len(images), -1, -1)
        if running is None:
            grid = block(grid)
        else:
            grid, running = block_by_windows(block, grid, running)
    return tower.pool(grid)


def _one_by_one(prompts: Tensor) -> list[Tensor]:
    """(B, P, C) → P times (B, 1, 1, C)."""
    return [prompts[:, number, None, None] for number in range(prompts.shape[1])]
