"""The projection that makes an image embedding, in the place where timm's models have a classifier."""

from __future__ import annotations

from typing import Any

from torch import nn


def add_projection(trunk: Any, dim: int) -> None:
    """Puts a linear layer without bias, which timm's own has, behind the pooling of a timm model.

    Args:
        trunk: Changed in place; its `forward_head` ends in the projection then.
        dim: Length of the embedding.
    """
    classifier = trunk.get_classifier()
    name = next(name for name, module in trunk.named_modules() if module is classifier)
    parent, _, child = name.rpartition('.')
    setattr(trunk.get_submodule(parent), child, nn.Linear(trunk.num_features, dim, bias=False))
