"""A signal that frozen features hardly hold is learnt: one tuning of every family."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import SIDE, tiny_card, tiny_trunk
from torch import Tensor, nn

from cite.classifier import Classifier
from cite.encoders.towers.tower import VisionTower
from cite.experiments.fit import Patches, fit, scores
from cite.heads import HEADS
from cite.tuning import build_tuning


class AffineNorm(nn.LayerNorm):
    """Scale and shift without norming, through which nothing of the signal can leak."""

    def forward(self, x: Tensor) -> Tensor:
        return x * self.weight + self.bias


class Blind(nn.Module):
    """What the feature does not see: the channel of the signal itself."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([torch.zeros_like(x[..., :1]), x[..., 1:]], dim=-1)


def gated() -> nn.Module:
    """Brightness reaches the class token in channel 0, which the feature does not see.

    The MLP would write it into channel 1, among noise, but its GELU is shut: at -5.2 it passes on a few
    ten-thousandths. Tuning has to open it, or to lead the signal round it.
    """
    trunk = tiny_trunk(depth=1, norm_layer=AffineNorm)
    block = trunk.blocks[0]
    with torch.no_grad():
        filters = trunk.patch_embed.proj.weight
        filters.mul_(0.3).sub_(filters.mean(dim=(2, 3), keepdim=True))  # blind to brightness
        filters[0] = 2 / filters[0].numel()
        trunk.patch_embed.proj.bias[0] = 0
        trunk.pos_embed.mul_(0.5)
        trunk.pos_embed[..., 0] = trunk.cls_token[..., 0] = 0
        for norm in (block.norm1, block.norm2):
            norm.weight.fill_(1)
            norm.bias.zero_()
        attention, mlp, width = block.attn, block.mlp, trunk.embed_dim
        for layer in (attention.proj, mlp.fc1, mlp.fc2):
            layer.weight.zero_()
            layer.bias.zero_()
        attention.qkv.weight.mul_(0.5)
        attention.qkv.bias.zero_()
        values = attention.qkv.weight[2 * width :]
        values.zero_()
        values[0, 0] = 3
        values[2:, 2:] = 2 * torch.eye(width - 2)
        attention.proj.weight[0, 0] = 1
        attention.proj.weight[2:, 2:] = torch.eye(width - 2)
        attention.proj.weight[1, 2:] = 1  # noise where the signal would be
        mlp.fc1.weight[:, 0] = 1
        mlp.fc1.bias.fill_(-5.2)
        mlp.fc2.weight[1] = 0.1
    trunk.norm = Blind()
    return trunk


def patches(count: int, seed: int) -> Patches:
    """Noise, a little brighter in one class."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 2, (count,), generator=generator)
    images = torch.randint(100, 156, (count, 3, SIDE, SIDE), generator=generator)
    images = images + torch.where(labels == 1, 12, -12).view(-1, 1, 1, 1)
    return Patches(images.to(torch.uint8), labels)


def accuracy(tuning, lr: float) -> float:
    torch.manual_seed(0)
    tower = VisionTower(tiny_card(), gated(), build_tuning(tuning))
    classifier = Classifier(tower, None, HEADS.build('LinearHead'), ('dark', 'bright'))
    fit(classifier, patches(128, 0), lr, 0.0, steps=120, batch_size=16, seed=0, head_lr=1e-2)
    assert tower.frozen_stands()
    test = patches(256, 1)
    return float(np.mean(scores(classifier, test).argmax(1) == test.labels.numpy()))


def test_frozen_features_miss_it():
    assert accuracy(None, 1e-2) < 0.85


@pytest.mark.parametrize(
    ('tuning', 'lr'),
    [
        ({'type': 'VisualPrompt', 'length': 16}, 1e-1),
        ({'type': 'PixelPrompt', 'kind': 'full'}, 3e-2),
        ({'type': 'LoRA', 'targets': 'attn+mlp'}, 1e-2),
        ('HoulsbyAdapter', 1e-2),
        ('SideTuning', 1e-2),
        ('BitFit', 3e-2),
        ('LayerNormTuning', 3e-2),
        ({'type': 'LastBlocks', 'k': 1}, 3e-3),
        ('FullFineTuning', 3e-3),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_it_is_learnt(tuning, lr):
    assert accuracy(tuning, lr) > 0.97
