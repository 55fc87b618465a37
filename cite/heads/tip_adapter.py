"""Tip-Adapter (Zhang et al., ECCV 2022): zero-shot logits, and what the nearest training patches say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cite.anchors import Anchors
from cite.anchors.ensemble import Texts
from cite.errors import ConfigError
from cite.heads.base import HEADS
from cite.heads.feature_cache import FeatureCache
from cite.heads.zero_shot import ZeroShotHead


@HEADS.register
class TipAdapterHead(ZeroShotHead):
    """Logits = zero-shot logits + alpha · exp(-beta · (1 - f·Kᵀ)) V.

    f is the feature of a patch and K (N, D) those of training patches, all of length 1; V their labels,
    one-hot. Training-free, unless the keys train.

    Args:
        texts, text_encoder, anchors, template, templates: As in `ZeroShotHead`.
        alpha: Weight of the training patches. It is 1.0 in the paper, for 16 of them per class; the term
            is a sum over them, so that more of them want a smaller one.
        beta: How fast a training patch loses its say with distance; 5.5 in the paper.
        trains: Whether the keys train, starting from the features: Tip-Adapter-F.
        max_patches_per_class: Training patches that are kept of each class, see `FeatureCache`: 16, the
            most that the paper takes; None for all.

    Alpha and beta are the config's. The published code searches both on the data that it then reports on;
    here nothing looks at evaluation data. To choose them, compare runs on slides held out from training.

    It holds the features of the kept patches (N · D numbers, derived from patients' images) in every
    checkpoint and adapter.

    Raises:
        ConfigError: As `ZeroShotHead`; an alpha below 0 or a beta that is not above 0; asked before it was
            made.
    """

    paper = 'Zhang et al., ECCV 2022'
    takes_features = True

    def __init__(
        self,
        texts: Texts,
        text_encoder: Mapping[str, Any] | str | None = None,
        anchors: Anchors | None = None,
        template: str = '{}',
        templates: str | Sequence[str] | None = None,
        alpha: float = 1.0,
        beta: float = 5.5,
        trains: bool = False,
        max_patches_per_class: int | None = 16,
    ) -> None:
        if not isinstance(alpha, int | float) or not alpha >= 0:
            raise ConfigError(f'TipAdapterHead: alpha must be at least 0, found {alpha!r}')
        if not isinstance(beta, int | float) or not beta > 0:
            raise ConfigError(f'TipAdapterHead: beta must be above 0, found {beta!r}')
        super().__init__(texts, text_encoder, anchors, template, templates)
        self.alpha = alpha
        self.beta = beta
        self.cache = FeatureCache('TipAdapterHead', max_patches_per_class, trains)

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        super().attach(in_features, classes)
        self.cache.attach(in_features, len(classes))

    def fit(self, features: Tensor, labels: Tensor) -> None:
        self.cache.fill(nn.functional.normalize(features.to(self.dtype), dim=-1), labels)

    def make_room(self, state: Mapping[str, Tensor]) -> None:
        super().make_room(state)
        self.cache.make_room(state, 'cache.')

    def forward(self, features: Tensor) -> Tensor:
        self.cache.check()
        with torch.autocast(features.device.type, enabled=False):
            images = nn.functional.normalize(features.to(self.dtype), dim=-1)
            near = (-self.beta * (1 - images @ self.cache.keys.T)).exp()
            said = near.new_zeros(len(near), self.cache.classes)
            said = said.index_add(1, self.cache.labels, near)
            return super().forward(features) + self.alpha * said

    def trained_parameters(self, in_features: int, classes: int) -> int:
        """A key per training patch that is kept, where keys train: known once it is made."""
        return len(self.cache) * in_features if self.cache.trains else 0

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, alpha={self.alpha:g}, beta={self.beta:g}'
