"""Seeded draws of units and of runs, as weights.

Of the n units of a class n - 1 are drawn with replacement, and each counts n / (n - 1) times. A bootstrap
that draws n has a variance too small by (n - 1) / n (the narrowness bias of Hesterberg 2015); this one has
not (McCarthy & Snowden 1985; Rao & Wu 1988). Runs are drawn in the same way.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def unit_weights(stratum: np.ndarray, samples: int, seed: int) -> np.ndarray:
    """(samples, U) float64: how often each unit counts; the sum over a class is its size.

    Equal arguments give equal weights, so that methods are compared on the same draws. A class of one
    unit always keeps it. The result is shared: do not write to it.
    """
    return _unit_weights(np.asarray(stratum, dtype=np.int64).tobytes(), samples, seed)


@lru_cache(maxsize=4)
def _unit_weights(stratum: bytes, samples: int, seed: int) -> np.ndarray:
    strata = np.frombuffer(stratum, dtype=np.int64)
    weights = np.ones((samples, len(strata)))
    rng = np.random.default_rng([seed, 1])
    for value in np.unique(strata):
        columns = np.flatnonzero(strata == value)
        weights[:, columns] = _draw(rng, len(columns), samples)
    weights.flags.writeable = False
    return weights


@lru_cache(maxsize=16)
def run_weights(runs: int, samples: int, seed: int, stream: int = 0) -> np.ndarray:
    """(samples, runs) float64 weights that sum to one in each row; `stream` makes draws independent."""
    weights = _draw(np.random.default_rng([seed, 2, stream]), runs, samples) / runs
    weights.flags.writeable = False
    return weights


def _draw(rng: np.random.Generator, n: int, samples: int) -> np.ndarray:
    if n == 1:
        return np.ones((samples, 1))
    return rng.multinomial(n - 1, np.full(n, 1 / n), size=samples) * (n / (n - 1))
