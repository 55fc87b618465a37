"""Between the two orders of a map's axes, as layers, so that they can stand inside `nn.Sequential`."""

from __future__ import annotations

from torch import Tensor, nn


class ToChannelsLast(nn.Module):
    """(B, C, H, W) → (B, H, W, C), where LayerNorm and linear layers take channels."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 2, 3, 1)


class ToChannelsFirst(nn.Module):
    """(B, H, W, C) → (B, C, H, W), where convolutions take channels."""

    def forward(self, maps: Tensor) -> Tensor:
        return maps.permute(0, 3, 1, 2)
