"""Staining of batches is that of single pictures."""

from __future__ import annotations

import numpy as np
import torch
from stained_tissue import tissue

from cite.data.batch_augment.stain import StainDraw
from cite.data.stain_jitter import StainJitter


def test_the_same_amounts_give_the_same_picture(monkeypatch):
    images = torch.stack(
        [torch.from_numpy(tissue(number).transpose(2, 0, 1).copy()) for number in range(3)]
    )
    images[0, :, :20] = 240  # glass
    draws = np.random.default_rng(0).random((3, 6))
    found = StainDraw(0.2)(draws)(images)
    for image, one, own in zip(images, found, draws, strict=True):
        monkeypatch.setattr(torch, 'rand', lambda *_, own=own, **__: torch.tensor(own).view(2, 3))
        assert (StainJitter(0.2)(image).int() - one.int()).abs().max() <= 1
        assert (one.int() - image.int()).abs().max() > 3
