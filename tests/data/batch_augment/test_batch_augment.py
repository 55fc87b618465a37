"""What is drawn for a batch: a function of seed and number, whatever stands beside it."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from cite.data.batch_augment import BatchAugment
from cite.data.crop_patch import CropPatch
from cite.data.stain_jitter import StainJitter
from cite.data.transforms import AugmentPatch
from cite.errors import ConfigError


@pytest.fixture
def images():
    return torch.randint(
        256, (6, 3, 32, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


@pytest.fixture
def augment():
    return BatchAugment.of([StainJitter(), AugmentPatch(hue=0.05)])


def test_a_patch_does_not_depend_on_its_batch(augment, images):
    numbers = np.arange(100, 106)
    whole = augment.draw(numbers, 7)(images)
    assert not torch.equal(whole, images)
    for place, number in enumerate(numbers):
        one = augment.draw([number], 7)(images[place : place + 1])
        assert torch.equal(one[0], whole[place])
    assert torch.equal(augment.draw(numbers, 7)(images), whole)
    assert not torch.equal(augment.draw(numbers, 8)(images), whole)


def test_threads_change_nothing(augment, images):
    numbers, threads = np.arange(6), torch.get_num_threads()
    found = []
    for count in (1, 2):
        torch.set_num_threads(count)
        found.append(augment.draw(numbers, 7)(images))
        assert torch.get_num_threads() == count
    torch.set_num_threads(threads)
    assert torch.equal(*found)


def test_what_is_given_stays(augment, images):
    before = images.clone()
    augment.draw(np.arange(6), 7)(images)
    assert torch.equal(images, before)


def test_it_travels_between_processes(augment, images):
    drawn = augment.draw(np.arange(6), 7)
    assert torch.equal(pickle.loads(pickle.dumps(drawn))(images), drawn(images))


def test_only_symmetries_keep_the_pixels(images):
    augment = BatchAugment.of([AugmentPatch(brightness=0, contrast=0, saturation=0)])
    found = augment.draw(np.arange(6), 0)(images)
    assert torch.equal(found.flatten(2).sort().values, images.flatten(2).sort().values)
    assert BatchAugment.of([AugmentPatch(False, False, 0, 0, 0), StainJitter(0)]).parts == ()


def test_steps_for_single_pictures_are_refused():
    with pytest.raises(ConfigError, match='CropPatch works on single pictures only'):
        BatchAugment.of([CropPatch()])
