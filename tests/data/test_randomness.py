from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from cite.data import generator, seeded
from cite.data.randomness import uniforms
from cite.errors import ConfigError


def draws():
    return random.random(), np.random.rand(), torch.rand(()).item()


def test_inside_all_three_generators_depend_on_the_key_alone():
    with seeded(3, 1, 7):
        first = draws()
    random.seed(9)
    np.random.seed(9)
    torch.manual_seed(9)
    with seeded(3, 1, 7):
        assert draws() == first
    with seeded(3, 1, 8):
        other = draws()
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_outside_nothing_changes_even_after_an_error():
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    expected = draws()
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    with pytest.raises(KeyError), seeded(5):
        draws()
        raise KeyError
    assert draws() == expected


def test_names_are_keys_too_and_the_same_in_every_process():
    assert generator(0, 'well').integers(1 << 30) == generator(0, 'well').integers(1 << 30)
    assert generator(0, 'well').integers(1 << 30) != generator(0, 'poor').integers(1 << 30)
    # Recorded: a change would silently change every split.
    assert generator(0, 'well').permutation(8).tolist() == [0, 5, 3, 1, 4, 2, 6, 7]


def test_negative_seeds_are_refused():
    with pytest.raises(ConfigError, match='0 or greater'), seeded(-1):
        pass


def test_uniforms_are_functions_of_key_number_and_place():
    numbers = np.array([5, 0, 10**12])
    whole = uniforms(numbers, 4, 1, 2)
    assert whole.shape == (3, 4) and ((whole >= 0) & (whole < 1)).all()
    assert np.array_equal(uniforms(numbers[2:], 2, 1, 2), whole[2:, :2])
    assert not (uniforms(numbers, 4, 1, 3) == whole).any()


def test_uniforms_are_even_and_unrelated():
    draws = uniforms(np.arange(50_000), 4, 0)
    for column in draws.T:
        counts = np.histogram(column, 50, (0, 1))[0]
        assert ((counts - 1000) ** 2 / 1000).sum() < 85  # chi-squared, 49 degrees: 1 in 1,000
    columns = [*draws.T, *draws[1:].T[:, : len(draws)]]
    pairs = np.corrcoef([column[:49_999] for column in columns])
    assert abs(pairs - np.eye(8)).max() < 0.02
