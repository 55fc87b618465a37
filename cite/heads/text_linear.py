"""A linear classifier that starts as the zero-shot one.

WiSE-FT (Wortsman et al., CVPR 2022) starts its fine-tuning so; ELEVATER (Li et al., NeurIPS 2022) finds it
better than a random start wherever patches are few.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cite.heads.base import HEADS
from cite.heads.zero_shot import ZeroShotHead


@HEADS.register
class TextLinearHead(ZeroShotHead):
    """Logits = W f / |f| + b, with W = logit scale · anchors of length 1, and b = 0, to begin with.

    Args:
        texts, text_encoder, anchors, template, templates: As in `ZeroShotHead`.

    Untrained it gives the zero-shot logits. The anchors stay beside the weights, as the record of where
    they started. The weights are as large as the logit scale (100, as a rule): a learning rate that moves a
    linear layer from small random weights hardly moves them, so give the head a larger one
    (`paramwise_cfg.custom_keys`).
    """

    paper = 'Wortsman et al., CVPR 2022'

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        super().attach(in_features, classes)
        self.fc = nn.Linear(in_features, len(classes), dtype=self.dtype)
        with torch.no_grad():
            anchors = nn.functional.normalize(self.anchors, dim=-1)
            self.fc.weight.copy_(self.temperature.exp() * anchors)
            self.fc.bias.zero_()

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return self.fc(nn.functional.normalize(features.to(self.dtype), dim=-1))

    def trained_parameters(self, in_features: int, classes: int) -> int:
        """A weight per feature and class, and a bias per class."""
        return (in_features + 1) * classes
