"""Side-tuning (Zhang et al., ECCV 2020): a small trained network beside the frozen tower."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.tuning.base import BEHIND, TUNINGS, Tuning, vision_only
from cite.tuning.numbers import whole

if TYPE_CHECKING:
    from cite.encoders.text.tower import TextTower
    from cite.encoders.towers.tower import VisionTower


@TUNINGS.register
class SideTuning(Tuning):
    """feature = α · tower(images) + (1 - α) · side(images), with α = sigmoid of a trained number.

    The tower is computed without gradients, whatever it is made of: this costs next to no memory.

    The side network is `layers` convolutions of 3 × 3 with stride 2, each followed by GroupNorm and ReLU,
    the mean over the map and a linear layer to the length of the feature. The paper's starts as a copy of
    the tower, or distilled from it, so that the sum starts as the tower's feature; here the last layer
    starts at zero, so that it starts as α times that, and classifies the same by cosine.

    Args:
        width: Channels of the first convolution; each further one has twice as many.
        layers: Convolutions.
        alpha: First value of α, between 0 and 1.
    """

    paper = 'Side-tuning: Zhang et al., ECCV 2020'
    group = 'peft'
    reads_images = True

    net: nn.Sequential
    logit: nn.Parameter

    def __init__(self, width: int = 32, layers: int = 4, alpha: float = 0.9) -> None:
        super().__init__()
        width, layers = whole('SideTuning: width', width), whole('SideTuning: layers', layers)
        if not isinstance(alpha, int | float) or not 0 < alpha < 1:
            raise ConfigError(f'SideTuning: alpha must lie between 0 and 1, found {alpha!r}')
        self.channels = [3, *(width * 2**layer for layer in range(layers))]
        self.start_alpha = float(alpha)

    def attach(self, tower: VisionTower | TextTower) -> None:
        tower = vision_only(self, tower)
        modules: list[nn.Module] = []
        for before, after in self._steps():
            modules += [
                nn.Conv2d(before, after, 3, stride=2, padding=1, bias=False),
                nn.GroupNorm(1, after),
                nn.ReLU(),
            ]
        last = nn.Linear(self.channels[-1], tower.feature_dim)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.net = nn.Sequential(*modules, nn.AdaptiveAvgPool2d(1), nn.Flatten(), last)
        self.logit = nn.Parameter(torch.tensor(math.log(self.start_alpha / (1 - self.start_alpha))))

    def _steps(self) -> list[tuple[int, int]]:
        return list(zip(self.channels[:-1], self.channels[1:], strict=True))

    @property
    def alpha(self) -> Tensor:
        """The share of the tower's feature, as it is now."""
        return self.logit.sigmoid()

    @property
    def first_stage(self) -> int:
        return BEHIND

    def trained_parameters(self, tower: VisionTower | TextTower) -> int:
        """Per convolution 9 × in × out + 2 × out; the last layer (in + 1) × feature; one for α."""
        convolutions = sum(9 * before * after + 2 * after for before, after in self._steps())
        return convolutions + (self.channels[-1] + 1) * vision_only(self, tower).feature_dim + 1

    def after_pool(self, features: Tensor, images: Tensor) -> Tensor:
        side: Tensor = self.net(images)
        return self.alpha * features + (1 - self.alpha) * side.to(features.dtype)

    def extra_repr(self) -> str:
        return f'channels={self.channels[1:]}, alpha={self.start_alpha:g}'
