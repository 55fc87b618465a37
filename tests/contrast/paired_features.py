"""Unit-norm features from a formula, so that recorded numbers depend on no random generator."""

from __future__ import annotations

import torch
from torch import Tensor


def paired_features(rows: int, dim: int) -> tuple[Tensor, Tensor]:
    """Images and texts, (rows, dim) each, that take gradients."""
    waves = torch.arange(float(rows * dim), dtype=torch.float64) * 1.7
    images, texts = (
        torch.nn.functional.normalize(torch.sin(waves + shift).reshape(rows, dim), dim=1).float()
        for shift in (0, 1)
    )
    return images.requires_grad_(), texts.requires_grad_()
