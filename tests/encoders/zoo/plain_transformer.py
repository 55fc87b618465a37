"""A plain vision transformer written down once more from the papers, on tensors by name."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn.functional import (
    conv2d,
    gelu,
    interpolate,
    layer_norm,
    linear,
    scaled_dot_product_attention,
    silu,
)


def dinov2_tokens(state: Mapping[str, Tensor], images: Tensor, heads: int) -> Tensor:
    """Normed tokens of a DINOv2 in its authors' names: class token, registers, patches.

    Position embeddings are resized as the authors do: antialiased with registers, by a factor without.
    """

    def layer(name: str, tokens: Tensor) -> Tensor:
        return linear(tokens, state[f'{name}.weight'], state[f'{name}.bias'])

    def norm(name: str, tokens: Tensor) -> Tensor:
        width = tokens.shape[-1:]
        return layer_norm(tokens, width, state[f'{name}.weight'], state[f'{name}.bias'], 1e-6)

    def attention(name: str, tokens: Tensor) -> Tensor:
        batch, length, width = tokens.shape
        split = layer(f'{name}.qkv', tokens).view(batch, length, 3, heads, width // heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        mixed = scaled_dot_product_attention(query, key, value)
        return layer(f'{name}.proj', mixed.transpose(1, 2).reshape(batch, length, width))

    def feed_forward(name: str, tokens: Tensor) -> Tensor:
        if f'{name}.w12.weight' in state:
            gate, up = layer(f'{name}.w12', tokens).chunk(2, dim=-1)
            return layer(f'{name}.w3', silu(gate) * up)
        return layer(f'{name}.fc2', gelu(layer(f'{name}.fc1', tokens)))

    filters = state['patch_embed.proj.weight']
    patches = conv2d(images, filters, state['patch_embed.proj.bias'], stride=filters.shape[-1])
    registers = state.get('register_tokens')
    side = patches.shape[-1]
    patches = patches.flatten(2).transpose(1, 2)
    tokens = torch.cat([state['cls_token'].expand(len(images), -1, -1), patches], dim=1)
    tokens = tokens + _positions(state['pos_embed'], side, antialias=registers is not None)
    if registers is not None:
        extra = registers.expand(len(images), -1, -1)
        tokens = torch.cat([tokens[:, :1], extra, tokens[:, 1:]], dim=1)
    depth = sum(key.endswith('norm1.weight') for key in state)
    for block in (f'blocks.{index}' for index in range(depth)):
        change = attention(f'{block}.attn', norm(f'{block}.norm1', tokens))
        tokens = tokens + state[f'{block}.ls1.gamma'] * change
        change = feed_forward(f'{block}.mlp', norm(f'{block}.norm2', tokens))
        tokens = tokens + state[f'{block}.ls2.gamma'] * change
    return norm('norm', tokens)


def _positions(stored: Tensor, side: int, antialias: bool) -> Tensor:
    old = math.isqrt(stored.shape[1] - 1)
    if old == side:
        return stored
    grid = stored[:, 1:].view(1, old, old, -1).permute(0, 3, 1, 2)
    if antialias:
        grid = interpolate(grid, (side, side), mode='bicubic', antialias=True)
    else:
        factor = (side + 0.1) / old
        grid = interpolate(grid, scale_factor=(factor, factor), mode='bicubic')
    return torch.cat([stored[:, :1], grid.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
