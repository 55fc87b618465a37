"""A model whose answer is known: it sees the mean colour of a tile."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor, nn

from cite.adapter import AdapterInfo
from cite.images import ResizePatch
from cite.serving import Predictor

CLASSES = ('red', 'green', 'blue')


class ColourModel(nn.Module):
    """Scores are the mean of each channel, as logits."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.classes = CLASSES
        self.backbone: Any = SimpleNamespace(
            mean=torch.zeros(1),
            image_size=size,
            resize=ResizePatch(size),
            card=SimpleNamespace(name='colour'),
            digest='0' * 64,
        )
        self.batches: list[int] = []

    def forward(self, images: Tensor) -> Tensor:
        self.batches.append(len(images))
        return images.float().mean((2, 3)) / 16


def colour_predictor(size: int = 64, mpp: float | None = 0.5) -> Predictor:
    """A predictor whose tiles are `size` pixels at `mpp`."""
    info = AdapterInfo(
        backbone={'model': 'colour'},
        neck=None,
        head={},
        classes=list(CLASSES),
        tower_digest='0' * 64,
        preprocessing={'mpp': mpp, 'patch_size': size, 'image_size': size},
    )
    model: Any = ColourModel(size)
    return Predictor(model, info)
