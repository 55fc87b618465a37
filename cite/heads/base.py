"""What a head is: features in, one logit per class out. No losses, no data samples."""

from __future__ import annotations

from torch import Tensor, nn

from cite.registry import Registry

HEADS = Registry('head', 'cite.heads', 'cite.legacy')


class Head(nn.Module):
    """Base of all heads.

    `in_features` is the size that the head insists on (a text head: the size of its anchors), or None
    where it takes whatever the neck or the tower gives.
    """

    in_features: int | None = None

    def attach(self, in_features: int, classes: tuple[str, ...]) -> None:
        """Creates weights for features of that size and these classes, or checks what it has."""
        raise NotImplementedError

    def forward(self, features: Tensor) -> Tensor:
        """Features (B, in_features) → logits (B, classes) in float32."""
        raise NotImplementedError
