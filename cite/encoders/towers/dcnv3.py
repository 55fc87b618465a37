"""DCNv3, the deformable convolution of InternImage, in plain PyTorch.

Wang et al., 'InternImage: Exploring large-scale vision foundation models with deformable convolutions',
CVPR 2023, arXiv:2211.05778, equation 2. Every position of a map looks at nine points of it, a 3 × 3
neighbourhood that learned offsets pull apart, and sums what it finds there with learned weights. Groups of
channels have points of their own. Where the authors' compiled operator is installed, it does the same on
GPUs, faster.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cite.encoders.towers.dcnv3_compiled import CompiledDCNv3, compiled_dcnv3
from cite.encoders.towers.permute import ToChannelsLast

POINTS = 9
"""Of a 3 × 3 kernel, column by column: (-1, -1), (-1, 0), (-1, 1), (0, -1), … as (x, y)."""


def dcnv3(
    values: Tensor, offsets: Tensor, weights: Tensor, groups: int, offset_scale: float = 1.0
) -> Tensor:
    """Weighted sums of nine points around every position; outside the map there are zeros.

    Args:
        values: What is summed, (B, H, W, C); the channels of a group lie side by side.
        offsets: (B, H, W, groups · 9 · 2), in pixels, x before y, added to the points' places.
        weights: (B, H, W, groups · 9).
        groups: Divides C.
        offset_scale: Stretches the neighbourhood and the offsets alike.

    Returns:
        (B, H, W, C), in the number format of `values`. Computed in float32 at least: bfloat16 could not
        tell two neighbouring positions of a large map apart.
    """
    dtype = torch.promote_types(values.dtype, torch.float32)
    exact = values.to(dtype), offsets.to(dtype), weights.to(dtype)
    operator = compiled_dcnv3() if values.is_cuda else None
    if operator is None:
        summed = sample_and_sum(*exact, groups, offset_scale)
    else:
        summed = CompiledDCNv3.apply(operator, *exact, groups, offset_scale)
    return summed.to(values.dtype)


def sample_and_sum(
    values: Tensor, offsets: Tensor, weights: Tensor, groups: int, offset_scale: float
) -> Tensor:
    """`dcnv3` in plain PyTorch: all points of all groups in one `grid_sample`."""
    batch, height, width, channels = values.shape
    places = height * width
    size = values.new_tensor([width, height])
    # grid_sample calls the outer edges of the map -1 and 1, half a pixel beyond the outer pixels
    at = 2 * (_points(height, width, offset_scale, values) + 0.5) / size - 1
    moves = offsets.reshape(batch, places, groups, POINTS, 2) * (2 * offset_scale / size)
    grid = (at + moves).transpose(1, 2).reshape(batch * groups, places, POINTS, 2)
    maps = values.reshape(batch, places, groups, -1).permute(0, 2, 3, 1)
    sampled = F.grid_sample(
        maps.reshape(batch * groups, -1, height, width), grid, align_corners=False
    )
    shares = weights.reshape(batch, places, groups, POINTS).transpose(1, 2)
    summed = (sampled * shares.reshape(batch * groups, 1, places, POINTS)).sum(dim=-1)
    return summed.view(batch, channels, places).transpose(1, 2).reshape(values.shape)


def _points(height: int, width: int, scale: float, like: Tensor) -> Tensor:
    """Where the points lie while no offset moves them, in pixels: (H · W, 1, 9, 2), x before y."""

    def steps(start: int, end: int) -> Tensor:
        return torch.arange(start, end, dtype=like.dtype, device=like.device)

    kernel = scale * torch.cartesian_prod(steps(-1, 2), steps(-1, 2))
    positions = torch.cartesian_prod(steps(0, height), steps(0, width)).flip(-1)
    return positions[:, None, None] + kernel


class DCNv3(nn.Module):
    """The layer: where to look and how to weigh follow from a depthwise convolution of the input.

    Args:
        channels: Of a position, in and out.
        groups: Sets of points; divides `channels`.
        offset_scale: See `dcnv3`.
    """

    def __init__(self, channels: int, groups: int, offset_scale: float = 1.0) -> None:
        super().__init__()
        self.groups = groups
        self.offset_scale = offset_scale
        self.dw_conv = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels),
            nn.Sequential(ToChannelsLast(), nn.LayerNorm(channels, eps=1e-6)),
            nn.GELU(),
        )
        self.offset = nn.Linear(channels, groups * POINTS * 2)
        self.mask = nn.Linear(channels, groups * POINTS)
        self.input_proj = nn.Linear(channels, channels)
        self.output_proj = nn.Linear(channels, channels)
        for layer in (self.offset, self.mask):  # a plain neighbourhood until it has learned better
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        """Maps (B, H, W, C) → maps of the same shape."""
        around: Tensor = self.dw_conv(tokens.permute(0, 3, 1, 2))
        weights = self.mask(around).unflatten(-1, (self.groups, POINTS)).softmax(dim=-1)
        summed = dcnv3(
            self.input_proj(tokens),
            self.offset(around),
            weights.flatten(-2),
            self.groups,
            self.offset_scale,
        )
        out: Tensor = self.output_proj(summed)
        return out
