"""Symmetries of batches are those of single pictures, to the bit."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torchvision.transforms.v2 import functional as F

from cite.data.batch_augment.symmetry import Symmetry, SymmetryDraw, code_of
from cite.data.transforms import AugmentPatch

CHOICES = list(itertools.product((False, True), (False, True), range(4)))


@pytest.fixture
def images():
    return torch.randint(
        256, (16, 3, 9, 9), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


def test_all_choices_equal_those_of_single_pictures(images):
    mirror, upend, quarters = (np.array(column) for column in zip(*CHOICES, strict=True))
    codes = code_of(mirror, upend, quarters)
    assert set(codes) == set(range(8))
    turned = Symmetry(codes)(images)
    for image, found, (left, up, turns) in zip(images, turned, CHOICES, strict=True):
        wanted = F.horizontal_flip(image) if left else image
        wanted = F.vertical_flip(wanted) if up else wanted
        assert torch.equal(found, AugmentPatch._turn(wanted, turns)), (left, up, turns)


def test_one_kind_alone(images):
    draws = np.random.default_rng(0).random((4000, 3))
    assert set(SymmetryDraw(flip=False)(draws).codes) == {0, 1, 2, 3}
    assert set(SymmetryDraw(rotate90=False)(draws).codes) == {0, 2, 4, 6}
    counts = np.bincount(SymmetryDraw()(draws).codes)
    assert len(counts) == 8 and abs(counts - 500).max() < 100
