"""Swin-T with CTransPath's stem, computed straight from the published file's tensors.

Written from the papers, with loops over windows' coordinates in place of stored index tables and masks.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

WINDOW = 7
DEPTHS, HEADS = (2, 2, 6, 2), (3, 6, 12, 24)


class OldSwin:
    def __init__(self, state: dict[str, Tensor]) -> None:
        self.state = state

    def features(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, 224, 224) → mean of the normed tokens (B, 768)."""
        x = self.norm(self.stem(images).permute(0, 2, 3, 1), 'patch_embed.norm')
        for stage, depth in enumerate(DEPTHS):
            for block in range(depth):
                name = f'layers.{stage}.blocks.{block}'
                shift = WINDOW // 2 if block % 2 and x.shape[1] > WINDOW else 0
                x = x + self.attention(self.norm(x, f'{name}.norm1'), name, HEADS[stage], shift)
                hidden = F.gelu(self.linear(self.norm(x, f'{name}.norm2'), f'{name}.mlp.fc1'))
                x = x + self.linear(hidden, f'{name}.mlp.fc2')
            if stage + 1 < len(DEPTHS):
                corners = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
                merged = self.norm(torch.cat(corners, -1), f'layers.{stage}.downsample.norm')
                x = merged @ self.state[f'layers.{stage}.downsample.reduction.weight'].T
        return self.norm(x, 'norm').mean((1, 2))

    def stem(self, x: Tensor) -> Tensor:
        s, name = self.state, 'patch_embed.proj'
        for conv, norm in ((0, 1), (3, 4)):
            x = F.conv2d(x, s[f'{name}.{conv}.weight'], stride=2, padding=1)
            parts = ('running_mean', 'running_var', 'weight', 'bias')
            x = F.batch_norm(x, *(s[f'{name}.{norm}.{part}'] for part in parts)).relu()
        return F.conv2d(x, s[f'{name}.6.weight'], s[f'{name}.6.bias'])

    def attention(self, x: Tensor, name: str, heads: int, shift: int) -> Tensor:
        """Window by window."""
        side = x.shape[1]
        bias = self.bias(f'{name}.attn.relative_position_bias_table')
        x = x.roll((-shift, -shift), (1, 2))
        out = torch.zeros_like(x)
        for top in range(0, side, WINDOW):
            for left in range(0, side, WINDOW):
                rows, columns = slice(top, top + WINDOW), slice(left, left + WINDOW)
                tokens = x[:, rows, columns].flatten(1, 2)
                qkv = self.linear(tokens, f'{name}.attn.qkv').unflatten(-1, (3, heads, -1))
                q, k, v = qkv.permute(2, 0, 3, 1, 4)
                logits = q @ k.mT / q.shape[-1] ** 0.5 + bias
                logits = logits.masked_fill(self.strangers(top, left, side, shift), float('-inf'))
                mixed = (logits.softmax(-1) @ v).transpose(1, 2).flatten(2)
                mixed = self.linear(mixed, f'{name}.attn.proj')
                out[:, rows, columns] = mixed.unflatten(1, (WINDOW, WINDOW))
        return out.roll((shift, shift), (1, 2))

    def bias(self, table: str) -> Tensor:
        """(heads, 49, 49): a row of the table for each offset of a query from a key."""
        at = torch.cartesian_prod(torch.arange(WINDOW), torch.arange(WINDOW))
        down, right = (at[:, None] - at[None]).unbind(-1)
        index = (down + WINDOW - 1) * (2 * WINDOW - 1) + right + WINDOW - 1
        return self.state[table][index].permute(2, 0, 1)

    @staticmethod
    def strangers(top: int, left: int, side: int, shift: int) -> Tensor:
        """(49, 49): pairs that only rolling over the edge made neighbours."""
        over = torch.tensor(
            [
                [top + i + shift >= side, left + j + shift >= side]
                for i in range(WINDOW)
                for j in range(WINDOW)
            ]
        )
        return (over[:, None] != over[None]).any(-1)

    def norm(self, x: Tensor, name: str) -> Tensor:
        s = self.state
        return F.layer_norm(x, x.shape[-1:], s[f'{name}.weight'], s[f'{name}.bias'], 1e-5)

    def linear(self, x: Tensor, name: str) -> Tensor:
        return F.linear(x, self.state[f'{name}.weight'], self.state[f'{name}.bias'])
