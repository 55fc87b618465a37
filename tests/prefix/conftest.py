"""A folder of twelve patches, read as the tiny tower takes them."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from PIL import Image
from tiny_models import SIDE, tiny_tower

from cite.data import read_patches
from cite.data.dataset import PatchDataset
from cite.data.transforms import AugmentPatch, PatchTransform
from cite.images import ResizePatch
from cite.prefix.keep import Keeper, KeepOptions

STEPS = [{'type': 'ResizePatch', 'size': SIDE}, {'type': 'AugmentPatch'}]


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    for label in ('a', 'b'):
        (tmp_path / 'patches' / label).mkdir(parents=True)
        for number in range(6):
            pixels = rng.integers(0, 255, (40, 40, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(tmp_path / 'patches' / label / f'{label}{number}_0.png')
    return read_patches(tmp_path / 'patches')


@pytest.fixture
def patches(table):
    """`patches(views)`"""

    def build(views=3, seed=0):
        return PatchDataset(table, PatchTransform(ResizePatch(SIDE), AugmentPatch()), seed, views)

    return build


@pytest.fixture
def keeper():
    """`keeper({'type': tuning, …}, mode='on')`"""

    def build(tuning=None, precision='fp32', workers=0, **options):
        tower = tiny_tower(tuning).eval()
        options = {'mode': 'on', **options}
        return Keeper(tower, precision, KeepOptions(**options), logging.getLogger('test'), workers)

    return build


@pytest.fixture
def steps():
    return STEPS
