"""InternImage once more, from its state dict alone, with torchvision's deformable convolution."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import deform_conv2d


def deformable_sum(
    values: Tensor, offsets: Tensor, weights: Tensor, groups: int, scale: float
) -> Tensor:
    """`dcnv3` as a modulated deformable convolution (DCNv2) whose kernel is all ones, channel by channel.

    torchvision counts the points row by row and puts y before x.
    """
    b, h, w, c = values.shape
    moves = offsets.view(b, h, w, groups, 3, 3, 2).permute(0, 3, 5, 4, 6, 1, 2).flip(4)
    shares = weights.view(b, h, w, groups, 3, 3).permute(0, 3, 5, 4, 1, 2)
    step = torch.arange(-1, 2, dtype=values.dtype)
    kernel = torch.stack(torch.meshgrid(step, step, indexing='ij'), dim=-1)
    moves = scale * moves + (scale - 1) * kernel[..., None, None]
    out = deform_conv2d(
        values.permute(0, 3, 1, 2),
        moves.reshape(b, -1, h, w),
        torch.ones(c, 1, 3, 3, dtype=values.dtype),
        padding=1,
        mask=shares.reshape(b, -1, h, w),
    )
    return out.permute(0, 2, 3, 1)


class Reference:
    """The published forward pass.

    Args:
        state: Weights under the authors' names.
        scale: offset_scale.
    """

    def __init__(self, state: Mapping[str, Tensor], scale: float = 1.0) -> None:
        self.state = state
        self.scale = scale

    def features(self, images: Tensor) -> Tensor:
        """Normalised images (B, 3, H, W) → (B, 12 · channels)."""
        x = self.conv('patch_embed.conv1', images, stride=2, padding=1)
        x = F.gelu(self.norm('patch_embed.norm1.1', x.movedim(1, -1))).movedim(-1, 1)
        x = self.conv('patch_embed.conv2', x, stride=2, padding=1)
        x = self.norm('patch_embed.norm2.1', x.movedim(1, -1))
        level = 0
        while f'levels.{level}.blocks.0.mlp.fc1.weight' in self.state:
            x = self.level(f'levels.{level}', x)
            level += 1
        x = x.movedim(-1, 1)
        x = self.conv('conv_head.0', x)
        s = {key: self.state[f'conv_head.1.0.{key}'] for key in ('running_mean', 'running_var')}
        x = F.batch_norm(x, **s, **self.affine('conv_head.1.0'))
        return F.gelu(x).mean(dim=(-2, -1))

    def level(self, name: str, x: Tensor) -> Tensor:
        number = 0
        while f'{name}.blocks.{number}.mlp.fc1.weight' in self.state:
            x = self.block(f'{name}.blocks.{number}', x)
            number += 1
        if f'{name}.norm.0.weight' in self.state:
            x = self.norm(f'{name}.norm.0', x)
        if f'{name}.downsample.conv.weight' in self.state:
            x = self.conv(f'{name}.downsample.conv', x.movedim(-1, 1), stride=2, padding=1)
            x = self.norm(f'{name}.downsample.norm.1', x.movedim(1, -1))
        return x

    def block(self, name: str, x: Tensor) -> Tensor:
        for number, branch in ((1, self.dcn), (2, self.mlp)):
            gamma = self.state.get(f'{name}.gamma{number}')
            norm = f'{name}.norm{number}.0'
            if gamma is None:
                x = x + branch(name, self.norm(norm, x))
            else:
                x = x + gamma * self.norm(norm, branch(name, x))
        return x

    def dcn(self, name: str, x: Tensor) -> Tensor:
        name = f'{name}.dcn'
        around = self.conv(f'{name}.dw_conv.0', x.movedim(-1, 1), padding=1, groups=x.shape[-1])
        around = F.gelu(self.norm(f'{name}.dw_conv.1.1', around.movedim(1, -1)))
        mask = self.linear(f'{name}.mask', around)
        groups = mask.shape[-1] // 9
        mask = torch.cat([part.softmax(dim=-1) for part in mask.chunk(groups, dim=-1)], dim=-1)
        offset = self.linear(f'{name}.offset', around)
        values = self.linear(f'{name}.input_proj', x)
        summed = deformable_sum(values, offset, mask, groups, self.scale)
        return self.linear(f'{name}.output_proj', summed)

    def mlp(self, name: str, x: Tensor) -> Tensor:
        x = self.linear(f'{name}.mlp.fc1', x)
        x = x * (1 + torch.erf(x / math.sqrt(2))) / 2
        return self.linear(f'{name}.mlp.fc2', x)

    def affine(self, name: str) -> dict[str, Tensor]:
        return {key: self.state[f'{name}.{key}'] for key in ('weight', 'bias')}

    def linear(self, name: str, x: Tensor) -> Tensor:
        return x @ self.state[f'{name}.weight'].T + self.state[f'{name}.bias']

    def norm(self, name: str, x: Tensor) -> Tensor:
        mean = x.mean(dim=-1, keepdim=True)
        variance = (x - mean).square().mean(dim=-1, keepdim=True)
        affine = self.affine(name)
        return (x - mean) / (variance + 1e-6).sqrt() * affine['weight'] + affine['bias']

    def conv(self, name: str, x: Tensor, **how: int) -> Tensor:
        return F.conv2d(x, self.state[f'{name}.weight'], self.state.get(f'{name}.bias'), **how)
