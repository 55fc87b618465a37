"""Fixed views of patches."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from cite.data import read_patches
from cite.data.dataset import PatchDataset
from cite.data.samplers import Draw
from cite.data.transforms import AugmentPatch, PatchTransform
from cite.data.views import View, views_of_draws
from cite.errors import ConfigError


@pytest.fixture
def table(tmp_path):
    rng = np.random.default_rng(0)
    for label in ('a', 'b'):
        (tmp_path / label).mkdir()
        pixels = rng.integers(0, 255, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / label / f'{label}_0.png')
    return read_patches(tmp_path)


def of(table, views, seed=0):
    return PatchDataset(table, PatchTransform(AugmentPatch()), seed, views)


def test_the_first_view_is_the_patch_and_the_others_stay_what_they_are(table):
    data = of(table, 4)
    views = [data[View(0, number)]['image'] for number in range(4)]
    assert torch.equal(views[0], PatchTransform()(Image.open(table.path(0))))
    assert all(not torch.equal(views[0], view) for view in views[1:])
    assert torch.equal(views[3], of(table, 8)[View(0, 3)]['image'])
    assert not torch.equal(views[3], of(table, 4, seed=1)[View(0, 3)]['image'])


def test_a_draw_shows_one_of_the_views(table):
    data = of(table, 3)
    views = [data[View(1, number)]['image'] for number in range(3)]
    shown = set()
    for number in range(20):
        image = data[Draw(1, number)]['image']
        shown.add(next(v for v, view in enumerate(views) if torch.equal(view, image)))
    assert shown == {0, 1, 2}


def test_one_view_is_no_augmentation(table):
    data = of(table, 1)
    assert torch.equal(data[Draw(0, 5)]['image'], data[View(0, 0)]['image'])


def test_views_come_equally_often():
    counts = np.bincount(views_of_draws(3, np.arange(80_000), 8), minlength=8)
    assert len(counts) == 8
    assert abs(counts - 10_000).max() < 400
    assert (views_of_draws(3, [7, 9], 8) == views_of_draws(3, np.arange(10), 8)[[7, 9]]).all()


@pytest.mark.parametrize('views', [0, -1, True, 2.0, 'all'])
def test_what_is_no_number_of_views(table, views):
    with pytest.raises(ConfigError, match='views must be'):
        of(table, views)


def test_a_foreign_transform_has_no_plain_form(table):
    with pytest.raises(ConfigError, match='PatchTransform'):
        PatchDataset(table, lambda image: image, 0, 2)
