from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cite.cli.featuring import check_space
from cite.errors import ConfigError
from cite.inference import FeatureTable
from cite.serving import load_space


@pytest.fixture(scope='module')
def space():
    return load_space('tiny-tissue')


def table(space, **record):
    return FeatureTable(np.zeros((2, space.dim), np.float32), ['a', 'b'], record)


def test_features_of_the_same_model(space):
    check_space(table(space, **space.about['image']), space, Path('a.npy'))


@pytest.mark.parametrize(
    ('change', 'expected'),
    [
        ({'digest': 'f' * 64}, 'digest ffffffffffff'),
        ({'tuning_digest': 'f' * 64}, 'tuning_digest'),
        ({'feature_dim': 7}, 'feature_dim 7'),
    ],
)
def test_features_of_another(space, change, expected):
    with pytest.raises(ConfigError, match=expected):
        check_space(table(space, **{**space.about['image'], **change}), space, Path('a.npy'))


def test_features_of_nobody_knows_what(space):
    with pytest.raises(ConfigError, match='no record beside it'):
        check_space(table(space), space, Path('a.npy'))
