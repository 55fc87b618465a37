"""Colour of batches is torchvision's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stained_tissue import tissue
from torchvision.transforms import v2
from torchvision.transforms.v2 import functional as F

from cite.data.batch_augment.colour import ColourChange, ColourDraw

STEPS = {
    'b': (F.adjust_brightness, 0.93),
    'c': (F.adjust_contrast, 1.15),
    's': (F.adjust_saturation, 0.8),
    'h': (F.adjust_hue, -0.08),
}
FACTORS = {'b': 'brightness', 'c': 'contrast', 's': 'saturation', 'h': 'hue'}


@pytest.fixture
def noise():
    """Any colours, grey ones and two equal channels among them."""
    images = torch.randint(
        256, (2, 3, 40, 40), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    images[0, :, :4] = images[0, :1, :4]
    images[1, 0] = images[1, 1]
    return images


def of_all(value, images):
    return np.full(len(images), value, np.float32)


@pytest.mark.parametrize('shift', [-0.5, -0.37, -0.1, 0.0, 0.03, 0.1, 0.25, 0.5])
def test_hue_equals_torchvisions(shift, noise):
    found = ColourChange(hue=of_all(shift, noise))(noise).int()
    assert (found - F.adjust_hue(noise, shift).int()).abs().max() <= 1


@pytest.mark.parametrize(
    'order', ['bcs', 'scb', 'b', 'c', 's', 'bsch', 'shcb', 'chsb', 'hscb', 'hcbs']
)
def test_steps_in_any_order_equal_torchvisions(order, noise):
    """In colours that no step clips, and without torchvision's rounding between the steps."""
    images = noise // 2 + 60
    wanted = images.float() / 255
    for step in order:
        function, factor = STEPS[step]
        wanted = function(wanted, factor)
    place = {step: order.find(step) for step in 'sch'}
    change = ColourChange(
        **{FACTORS[step]: of_all(STEPS[step][1], images) for step in order},
        saturation_first=of_all(place['s'] < place['h'], images).astype(bool),
        contrast_first=of_all(place['c'] < place['h'], images).astype(bool),
    )
    difference = change(images).float() - 255 * wanted
    assert difference.abs().max() <= 2
    assert abs(difference.mean()) < 0.7


def test_each_patch_has_its_own_factors(noise):
    change = ColourChange(
        brightness=np.array([0.5, 1], np.float32), hue=np.array([0, 0.1], np.float32)
    )
    found = change(noise)
    assert (found[0].int() - F.adjust_brightness(noise[0], 0.5).int()).abs().max() <= 1
    assert torch.equal(found[1], ColourChange(hue=of_all(0.1, noise[1:]))(noise[1:])[0])


def test_no_change_is_none(noise):
    ones = of_all(1, noise)
    assert torch.equal(ColourChange(ones, ones, ones)(noise), noise)


@pytest.mark.parametrize('options', [{}, {'hue': 0.1}])
def test_tissue_looks_alike_over_many_draws(options):
    """Means and spreads of grey levels over draws, beside torchvision's jitter of the same ranges."""
    image = torch.from_numpy(tissue(size=64).transpose(2, 0, 1).copy())
    jitter = v2.ColorJitter(0.2, 0.2, 0.2, **options)
    torch.manual_seed(0)
    single = torch.stack([jitter(image) for _ in range(600)]).float()
    spans = (jitter.brightness, jitter.contrast, jitter.saturation, jitter.hue)
    draws = np.random.default_rng(0).random((600, ColourDraw.columns))
    batch = ColourDraw(*spans)(draws)(image.expand(600, -1, -1, -1)).float()
    levels = [(found.mean((2, 3)).mean(0), found.mean((2, 3)).std(0)) for found in (single, batch)]
    assert (levels[0][0] - levels[1][0]).abs().max() < 5
    assert (levels[0][1] / levels[1][1] - 1).abs().max() < 0.25


def test_ranges_and_orders_of_the_draws():
    draws = np.random.default_rng(0).random((6000, ColourDraw.columns))
    change = ColourDraw(brightness=(0.8, 1.2), saturation=(0, 0.2), hue=(-0.1, 0.1))(draws)
    assert change.contrast is None
    for found, (low, high) in (
        (change.brightness, (0.8, 1.2)),
        (change.saturation, (0, 0.2)),
        (change.hue, (-0.1, 0.1)),
    ):
        assert low <= found.min() < low + 0.01 * (high - low)
        assert high - 0.01 * (high - low) < found.max() <= high
    both = change.saturation_first & change.contrast_first
    assert abs(both.mean() - 1 / 3) < 0.03
    assert abs(change.saturation_first.mean() - 1 / 2) < 0.03
    assert abs(change.contrast_first.mean() - 1 / 2) < 0.03


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a CUDA device')
def test_a_gpu_gives_the_same(noise):
    draws = np.random.default_rng(0).random((2, ColourDraw.columns))
    change = ColourDraw((0.8, 1.2), (0.8, 1.2), (0.8, 1.2), (-0.1, 0.1))(draws)
    assert (change(noise.cuda()).cpu().int() - change(noise).int()).abs().max() <= 1
