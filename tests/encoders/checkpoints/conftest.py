from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer


@pytest.fixture
def tiny_vit() -> Callable[..., VisionTransformer]:
    """Makes small timm models, random in every weight (biases, LayerScale, tokens too)."""

    def make(arch: str = 'vit_tiny_patch16_224', **kwargs: Any) -> VisionTransformer:
        kwargs = {
            'img_size': 28,
            'patch_size': 14,
            'embed_dim': 48,
            'depth': 2,
            'num_heads': 3,
            'num_classes': 0,
            **kwargs,
        }
        torch.manual_seed(0)
        model = timm.create_model(arch, weight_init='skip', **kwargs).eval()
        for value in model.parameters():
            torch.nn.init.normal_(value, std=0.2)
        return model

    return make


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randn(2, 3, 28, 28, generator=torch.Generator().manual_seed(1))
