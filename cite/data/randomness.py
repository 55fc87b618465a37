"""Randomness as a function of numbers: the same numbers give the same draws, anywhere."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cite.errors import ConfigError


def seed_sequence(*key: int | str) -> np.random.SeedSequence:
    """NumPy seed sequence of a key of non-negative whole numbers and names.

    Names enter by their SHA-256, never by Python's `hash`, which differs between processes. Keys
    of different purposes should differ in a number of their own near the front: NumPy pads short
    keys with zeros, so (1, 2) and (1, 2, 0) are one key.

    Raises:
        ConfigError: a negative number.
    """
    numbers = [_number(part) for part in key]
    if any(number < 0 for number in numbers):
        raise ConfigError(f'seeds must be 0 or greater, found {key}')
    return np.random.SeedSequence(numbers)


def generator(*key: int | str) -> np.random.Generator:
    """NumPy generator of a key, see `seed_sequence`."""
    return np.random.default_rng(seed_sequence(*key))


def uniforms(numbers: ArrayLike, count: int, *key: int | str) -> NDArray[np.float64]:
    """(N, count) draws from 0 to 1, the one at (i, j) a function of key, numbers[i] and j alone.

    Counters through the mixing function of SplitMix64 (Steele, Lea and Flood, 'Fast splittable
    pseudorandom number generators', OOPSLA 2014), twice: no state, and no loop over the numbers.

    Args:
        numbers: (N,) whole numbers from 0, such as those of draws.
    """
    first, second = seed_sequence(*key).generate_state(2, np.uint64)
    streams = _mixed(np.asarray(numbers).astype(np.uint64) * _GOLDEN + first)
    places = _mixed(np.arange(1, count + 1, dtype=np.uint64) * _GOLDEN + second)
    return (_mixed(streams[:, None] + places) >> np.uint64(11)).astype(np.float64) * 2.0**-53


_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mixed(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))


def _number(part: int | str) -> int:
    if isinstance(part, str):
        return int.from_bytes(hashlib.sha256(part.encode()).digest()[:8], 'little')
    return int(part)


@contextmanager
def seeded(*key: int | str) -> Iterator[None]:
    """Inside, `random`, `numpy.random` and torch's CPU generator depend on `key` only.

    All three are put back afterwards, so any transform, whichever of them it draws from, becomes a
    function of the key and leaves no trace on the rest of the program. CUDA generators are left
    alone.
    """
    import torch  # here, so that splits and samplers need no torch

    words = seed_sequence(*key).generate_state(6)
    before = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(int(words[0]) << 32 | int(words[1]))
    np.random.seed(words[2:4])
    # Not torch.manual_seed, which would seed every GPU as well.
    torch.default_generator.manual_seed(int(words[4]) << 31 | int(words[5]) >> 1)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.set_rng_state(before[2])
