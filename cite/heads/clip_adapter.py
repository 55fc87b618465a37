"""CLIP-Adapter (Gao et al., IJCV 2024): a small trained network beside the image feature."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from cite.anchors import Anchors
from cite.anchors.ensemble import Texts
from cite.errors import ConfigError
from cite.heads.base import HEADS
from cite.heads.zero_shot import ZeroShotHead


@HEADS.register
class CLIPAdapterHead(ZeroShotHead):
    """Zero-shot classification of f' = alpha · ReLU(W₂ ReLU(W₁ f)) + (1 - alpha) · f.

    Args:
        texts, text_encoder, anchors, template, templates: As in `ZeroShotHead`.
        alpha: Share of the adapted feature, 0…1; 0.2 in the paper's code.
        reduction: The network is narrower than the feature by this factor; 4 in the paper.

    Of the paper's two adapters this is the one for images, which its code has: the text anchors stay as
    they are. The layers have no bias.

    Raises:
        ConfigError: As `ZeroShotHead`; an alpha outside 0…1, a reduction below 1.
    """

    paper = 'Gao et al., IJCV 2024'

    def __init__(
        self,
        texts: Texts,
        text_encoder: Mapping[str, Any] | str | None = None,
        anchors: Anchors | None = None,
        template: str = '{}',
        templates: str | Sequence[str] | None = None,
        alpha: float = 0.2,
        reduction: int = 4,
    ) -> None:
        if not isinstance(alpha, int | float) or not 0 <= alpha <= 1:
            raise ConfigError(f'CLIPAdapterHead: alpha must be between 0 and 1, found {alpha!r}')
        if isinstance(reduction, bool) or not isinstance(reduction, int) or reduction < 1:
            raise ConfigError(
                f'CLIPAdapterHead: reduction must be a whole number of at least 1, found {reduction!r}'
            )
        super().__init__(texts, text_encoder, anchors, template, templates)
        self.alpha = alpha
        self.reduction = reduction

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        super().attach(in_features, classes)
        inner = self._inner(in_features)
        self.down = nn.Linear(in_features, inner, bias=False, dtype=self.dtype)
        self.up = nn.Linear(inner, in_features, bias=False, dtype=self.dtype)

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            features = features.to(self.dtype)
            adapted = self.up(self.down(features).relu()).relu()
            return super().forward(self.alpha * adapted + (1 - self.alpha) * features)

    def _inner(self, in_features: int) -> int:
        return max(1, in_features // self.reduction)

    def trained_parameters(self, in_features: int, classes: int) -> int:
        """Down and up, without biases."""
        return 2 * in_features * self._inner(in_features)

    def extra_repr(self) -> str:
        return f'{super().extra_repr()}, alpha={self.alpha:g}'
