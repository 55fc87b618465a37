"""Linear probe: one trained linear layer on frozen features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cite.errors import ConfigError
from cite.heads.base import HEADS, Head


@HEADS.register
class LinearHead(Head):
    """Logits = W·features + b.

    Args:
        num_classes: Inferred from the data set's classes; may be given, and is then checked.
        in_features: Inferred; may be given, and is then checked.
        init_std: Standard deviation of the initial weights; the bias starts at zero.
    """

    fc: nn.Linear
    dtype = torch.float32  # of weights and logits

    def __init__(
        self,
        num_classes: int | None = None,
        in_features: int | None = None,
        init_std: float = 0.01,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.in_features = in_features
        self.init_std = init_std

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        if self.num_classes not in (None, len(classes)):
            raise ConfigError(
                f'LinearHead: num_classes={self.num_classes}, but the data set has '
                f'{len(classes)} classes: {", ".join(classes)}'
            )
        if self.in_features not in (None, in_features):
            raise ConfigError(
                f'LinearHead: in_features={self.in_features}, but the features have {in_features}. '
                'Leave it out to have it inferred'
            )
        self.fc = nn.Linear(in_features, len(classes), dtype=self.dtype)
        nn.init.normal_(self.fc.weight, std=self.init_std)
        nn.init.zeros_(self.fc.bias)

    def forward(self, features: Tensor) -> Tensor:
        with torch.autocast(features.device.type, enabled=False):
            return self.fc(features.to(self.dtype))

    def trained_parameters(self, in_features: int, classes: int) -> int:
        """A weight per feature and class, and a bias per class."""
        return (in_features + 1) * classes
