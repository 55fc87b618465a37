"""What stands between a tower's features and a head."""

from __future__ import annotations

from torch import Tensor, nn

from cite.registry import Registry

NECKS = Registry('neck', 'cite.necks', 'cite.legacy')


class Neck(nn.Module):
    """Base of all necks: `attach` gives the sizes, `forward` maps (B, in) → (B, out)."""

    out_features: int | None = None

    def attach(self, in_features: int, wanted: int | None) -> None:
        """Creates the weights.

        Args:
            in_features: Size of the tower's feature.
            wanted: Size that the head takes; None where the head takes any.
        """
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        raise NotImplementedError
