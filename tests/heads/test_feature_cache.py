from __future__ import annotations

import pytest
import torch

from cite.errors import CheckpointError, ConfigError
from cite.heads.feature_cache import FeatureCache, evenly


def filled(count=6, **options) -> FeatureCache:
    cache = FeatureCache('SomeHead', **options)
    cache.attach(4, 3)
    generator = torch.Generator().manual_seed(0)
    cache.fill(torch.randn(count, 4, generator=generator), torch.arange(count) % 3)
    return cache


def test_of_each_class_at_even_steps_in_the_order_of_the_table():
    labels = torch.tensor([0] * 6 + [1] * 2 + [2] * 3)
    assert evenly(labels, 3).tolist() == [0, 2, 4, 6, 7, 8, 9, 10]
    assert evenly(labels, 2).tolist() == [0, 3, 6, 7, 8, 9]
    assert evenly(labels, None).tolist() == list(range(11))
    assert evenly(labels[:0], 2).tolist() == []


def test_keys_and_labels_stay_together():
    cache = FeatureCache('SomeHead', 2)
    cache.attach(2, 3)
    labels = torch.tensor([2, 0, 2, 0, 0, 2, 1])
    cache.fill(torch.stack([torch.arange(7.0), labels.float()], dim=1), labels)
    assert cache.keys[:, 0].tolist() == [0, 1, 2, 3, 6] and len(cache) == 5
    assert cache.keys[:, 1].tolist() == cache.labels.tolist() == [2, 0, 2, 0, 1]


def test_it_is_a_copy():
    features, labels = torch.ones(2, 4), torch.tensor([0, 1])
    cache = FeatureCache('SomeHead')
    cache.attach(4, 3)
    cache.fill(features, labels)
    features.zero_(), labels.zero_()
    assert cache.keys.all() and cache.labels.tolist() == [0, 1]


@pytest.mark.parametrize('trains', [False, True])
def test_a_state_of_another_size_goes_into_a_fresh_one(trains):
    cache = filled(trains=trains)
    assert [name for name, _ in cache.named_parameters()] == (['keys'] if trains else [])
    for fresh in (filled(2, trains=trains), filled(0, trains=trains)):
        weight = fresh.keys
        state = {f'cache.{name}': value for name, value in cache.state_dict().items()}
        fresh.make_room(state, 'cache.')
        fresh.load_state_dict(cache.state_dict(), strict=True)
        assert torch.equal(fresh.keys, cache.keys) and torch.equal(fresh.labels, cache.labels)
        assert fresh.keys is weight  # an optimiser that holds it goes on holding it


@pytest.mark.parametrize(
    'state',
    [
        {},
        {'keys': torch.zeros(5, 4)},
        {'keys': torch.zeros(5, 3), 'labels': torch.zeros(5).long()},
        {'keys': torch.zeros(4), 'labels': torch.zeros(4).long()},
        {'keys': torch.zeros(5, 4), 'labels': torch.zeros(6).long()},
        {'keys': torch.zeros(5, 4), 'labels': torch.tensor(1)},
        {'keys': 'text', 'labels': None},
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(state):
    cache = filled()
    before = cache.keys.clone()
    cache.make_room(state, '')
    assert torch.equal(cache.keys, before)


@pytest.mark.parametrize('label', [-1, 3])
def test_labels_outside_the_classes_are_refused(label):
    state = {'keys': torch.zeros(2, 4), 'labels': torch.tensor([0, label])}
    with pytest.raises(
        CheckpointError, match=r'SomeHead: the stored labels .* there are 3 classes'
    ):
        filled().make_room(state, '')


@pytest.mark.parametrize('limit', [0, -1, 2.5, True])
def test_limits_that_are_none(limit):
    with pytest.raises(ConfigError, match='SomeHead: max_patches_per_class must be'):
        FeatureCache('SomeHead', limit)
