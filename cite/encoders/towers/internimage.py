"""InternImage: a hierarchy like a convolutional network's, with blocks like a transformer's around DCNv3.

Wang et al., CVPR 2023, arXiv:2211.05778; sizes T, S, B, L and XL (H and G have other layers). Names of
layers are the authors'. Stochastic depth is left out: it acts in training only, and towers are frozen.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from cite.encoders.towers.dcnv3 import DCNv3
from cite.encoders.towers.permute import ToChannelsFirst, ToChannelsLast
from cite.encoders.towers.stages import STAGES, Stages

if TYPE_CHECKING:
    from cite.encoders.card import Card

GROUP_CHANNELS = 16
"""Channels per group of points, in all levels of all sizes (section 3.3 of the paper)."""
LAYER_SCALE = 1e-5
_EPS = 1e-6


def _norm(channels: int) -> nn.LayerNorm:
    return nn.LayerNorm(channels, eps=_EPS)


class Stem(nn.Module):
    """Images (B, 3, H, W) → maps (B, H/4, W/4, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = nn.Conv2d(3, half, 3, stride=2, padding=1)
        self.norm1 = nn.Sequential(ToChannelsLast(), _norm(half), ToChannelsFirst())
        self.act = nn.GELU()
        self.conv2 = nn.Conv2d(half, channels, 3, stride=2, padding=1)
        self.norm2 = nn.Sequential(ToChannelsLast(), _norm(channels))

    def forward(self, images: Tensor) -> Tensor:
        half: Tensor = self.act(self.norm1(self.conv1(images)))
        out: Tensor = self.norm2(self.conv2(half))
        return out


class MLP(nn.Module):
    """Two linear layers, four times as wide between them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, 4 * channels)
        self.act = nn.GELU()
        self.fc2 = nn.Linear(4 * channels, channels)

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.act(self.fc1(maps)))
        return out


class Block(nn.Module):
    """DCNv3, then MLP, each beside a skip connection; (B, H, W, C) in and out.

    Args:
        channels: C.
        post_norm: Norms behind the layers and LayerScale behind the norms; otherwise norms in front.
        offset_scale: See `dcnv3`.
    """

    gamma1: nn.Parameter | None
    gamma2: nn.Parameter | None

    def __init__(self, channels: int, post_norm: bool, offset_scale: float) -> None:
        super().__init__()
        self.post_norm = post_norm
        self.norm1 = nn.Sequential(_norm(channels))
        self.dcn = DCNv3(channels, channels // GROUP_CHANNELS, offset_scale)
        self.norm2 = nn.Sequential(_norm(channels))
        self.mlp = MLP(channels)
        for name in ('gamma1', 'gamma2'):
            scale = nn.Parameter(torch.full((channels,), LAYER_SCALE)) if post_norm else None
            self.register_parameter(name, scale)

    def forward(self, maps: Tensor) -> Tensor:
        if self.gamma1 is None or self.gamma2 is None:
            maps = maps + self.dcn(self.norm1(maps))
            return maps + self.mlp(self.norm2(maps))
        maps = maps + self.gamma1 * self.norm1(self.dcn(maps))
        return maps + self.gamma2 * self.norm2(self.mlp(maps))


class Downsample(nn.Module):
    """Maps (B, H, W, C) → (B, H/2, W/2, 2C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, 2 * channels, 3, stride=2, padding=1, bias=False)
        self.norm = nn.Sequential(ToChannelsLast(), _norm(2 * channels))

    def forward(self, maps: Tensor) -> Tensor:
        out: Tensor = self.norm(self.conv(maps.permute(0, 3, 1, 2)))
        return out


class Level(nn.Module):
    """Blocks at one resolution, and the way to the next one."""

    def __init__(
        self, channels: int, depth: int, post_norm: bool, offset_scale: float, last: bool
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(channels, post_norm, offset_scale) for _ in range(depth))
        self.norm = nn.Identity() if post_norm else nn.Sequential(_norm(channels))
        self.downsample = nn.Identity() if last else Downsample(channels)

    def leave(self, maps: Tensor) -> Tensor:
        """What leaves the last block → what enters the next level, or the head."""
        out: Tensor = self.downsample(self.norm(maps))
        return out


class InternImageNet(nn.Module):
    """The layers; `InternImage` says in which order they run.

    Args:
        image_size: Side of the square input in pixels.
        channels: In the first level; every further one has twice as many.
        depths: Blocks of each level.
        post_norm, offset_scale: See `Block`.
    """

    def __init__(
        self,
        image_size: int,
        channels: int,
        depths: Sequence[int],
        post_norm: bool = True,
        offset_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.channels = channels
        last = len(depths) - 1
        self.patch_embed = Stem(channels)
        self.levels = nn.ModuleList(
            Level(channels * 2**number, depth, post_norm, offset_scale, last=number == last)
            for number, depth in enumerate(depths)
        )
        width = channels * 2**last
        self.conv_head = nn.Sequential(
            nn.Conv2d(width, width * 3 // 2, 1, bias=False),
            nn.Sequential(nn.BatchNorm2d(width * 3 // 2)),
            nn.GELU(),
        )


@STAGES.register
class InternImage(Stages):
    """Blocks of all levels in one row; a level's last block brings its map to the next level."""

    description = 'a hierarchy of deformable convolutions'
    alternatives = (
        "LoRA (targets='attn' for the projections of DCNv3, or 'mlp'), "
        "'PixelPrompt', 'FullFineTuning' or no tuning"
    )
    trunk: InternImageNet

    def __init__(self, card: Card, trunk: nn.Module) -> None:
        super().__init__(card, trunk)
        self.blocks = []
        self._last: dict[int, Level] = {}
        for level in cast('list[Level]', list(self.trunk.levels)):
            self.blocks += level.blocks
            self._last[len(self.blocks) - 1] = level
        self.width = self.trunk.channels
        self.num_prefix_tokens = 0
        self.num_patches = (self.trunk.image_size // 4) ** 2
        self.image_size = self.trunk.image_size

    @classmethod
    def build(cls, card: Card, image_size: int) -> nn.Module:
        return InternImageNet(image_size, **card.arch_kwargs)

    def embed(self, images: Tensor) -> Tensor:
        out: Tensor = self.trunk.patch_embed(images)
        return out

    def block(self, index: int, tokens: Tensor) -> Tensor:
        maps = super().block(index, tokens)
        level = self._last.get(index)
        return maps if level is None else level.leave(maps)

    def pool(self, tokens: Tensor) -> Tensor:
        maps: Tensor = self.trunk.conv_head(tokens.permute(0, 3, 1, 2))
        return maps.mean(dim=(2, 3))
