from __future__ import annotations

import pytest
import torch
from injected_towers import (
    BIT,
    CONVOLUTIONS,
    PAIRS,
    convnet,
    features,
    made,
    moved,
    off,
    spec_of,
    with_tuning,
)
from tiny_models import tiny_images

from cite.errors import ConfigError
from cite.frozen import trainable


@pytest.mark.parametrize(('method', 'kind'), PAIRS)
def test_merged_it_computes_the_same_and_unmerged_it_is_what_it_was(method, kind):
    tower = moved(made(method, kind))
    state = {name: value.clone() for name, value in tower.state_dict().items()}
    expected = features(tower)
    exported = tower.tuning.merged_state(tower.trunk)
    plain = with_tuning(None, kind)
    assert off(features(plain), expected) > 1e-4
    plain.trunk.load_state_dict(exported, strict=True)
    assert off(features(plain), expected) < 1e-5
    assert tower.frozen_digest() == tower.digest
    tower.tuning.merge(tower)
    assert off(features(tower), expected) < 1e-5
    again = tower.tuning.merged_state(tower.trunk)
    assert again.keys() == exported.keys()
    assert all(torch.equal(value, exported[name]) for name, value in again.items())
    with pytest.raises(ConfigError, match='merged already'):
        tower.tuning.merge(tower)
    tower.tuning.unmerge(tower)
    assert torch.equal(features(tower), expected)
    assert tower.frozen_digest() == tower.digest
    assert all(torch.equal(value, state[name]) for name, value in tower.state_dict().items())
    assert trainable(tower).keys() == state.keys()
    with pytest.raises(ConfigError, match='not merged'):
        tower.tuning.unmerge(tower)


@pytest.mark.parametrize('method', sorted(CONVOLUTIONS - {'DoRA'}))
def test_standardised_convolutions_train_and_do_not_merge(method):
    def bit(tuning):
        return convnet('resnetv2_50x1_bit', tuning, **BIT)

    tower = bit(spec_of(method, targets='conv', blocks=[2, 3]))
    images = tiny_images(side=64)
    assert off(tower(images), bit(None)(images)) < 1e-6
    found = trainable(moved(tower).train())
    tower(images).square().sum().backward()
    assert all(value.grad.abs().sum() > 0 for value in found.values())
    with pytest.raises(ConfigError, match=f'{method} cannot be merged into .*StdConv2d'):
        tower.tuning.merged_state(tower.trunk)
    assert tower.frozen_stands()
