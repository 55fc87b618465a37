"""The two-level bootstrap: how far an estimate over crossed runs and units may lie from the truth.

The estimate is a mean over G trainings (splits) of a metric over U units. The shape of its error comes
from the pigeonhole bootstrap (Owen 2007): trainings and units are both drawn, each with replacement.
Its variance counts what is peculiar to a unit in a training three times (Owen 2007), so the
deviations are scaled to a variance without that bias, by components:

    units      the mean covariance of two different trainings' values over the draws of units
    trainings  the variance between trainings' values on all units, over G
    failure    1 / n², for metrics of right and wrong answers only; n is the number of units

The first two add up to the variance of the estimate, without bias for a mean. The third stands for one
more unit that goes wrong, of which few units show none (as the added failures of Agresti & Coull 1998,
and for differences Agresti & Min 2005). Few trainings and units measure a variance badly: each deviation
is divided by √(χ²/f), which makes a t of what was normal, with f degrees of freedom from the components
(Satterthwaite 1946).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cite.statistics.draws import run_weights


@dataclass(frozen=True, eq=False)
class Replicates:
    """One method: its metric for G trainings on all units, and under B draws of units.

    Attributes:
        values: (G,).
        drawn: (B, G).
    """

    values: np.ndarray
    drawn: np.ndarray

    def minus(self, other: Replicates) -> Replicates:
        """Differences, training by training."""
        return Replicates(self.values - other.values, self.drawn - other.drawn)


@dataclass(frozen=True, eq=False)
class Spread:
    """What is known of an estimate's error.

    Attributes:
        estimate: The estimate.
        deviations: (B,) likely errors of it.
        error: Its standard error.
        freedom: The degrees of freedom of that.
        seen: Whether any draw changed the estimate.
    """

    estimate: float
    deviations: np.ndarray
    error: float
    freedom: float
    seen: bool

    def ends(self, confidence: float) -> np.ndarray:
        """(2,) the deviations that leave half of the rest to either side: of B the k-th from below and
        from above, k = (B + 1) (1 - confidence) / 2 (Davison & Hinkley 1997, chapter 5)."""
        ordered = np.sort(self.deviations)
        count = int((len(ordered) + 1) * (1 - confidence) / 2 + 1e-9)
        return ordered[[max(count, 1) - 1, -max(count, 1)]]

    def p_value(self) -> float:
        """Two-sided, of an estimate of zero: below 1 - confidence where the interval leaves zero out."""
        moved = self.estimate + self.deviations
        smaller = min(np.count_nonzero(moved <= 0), np.count_nonzero(moved >= 0))
        return float(min(1.0, 2 * (1 + smaller) / (1 + len(moved))))


def spread(
    parts: Sequence[Replicates],
    weights: np.ndarray,
    stratum: np.ndarray,
    seed: int,
    failure: float = 0.0,
) -> Spread:
    """The spread of the mean of one part, or of that of the first minus that of the second.

    Args:
        parts: One or two; of two the trainings are drawn independently, the units together.
        weights: (B, U) the draws of units.
        stratum: (U,) classes of units.
        failure: The third component, a standard error.
    """
    samples = len(weights)
    signs = (1.0, -1.0)[: len(parts)]
    estimate = sum(s * p.values.mean() for s, p in zip(signs, parts, strict=True))
    by_units = sum(s * p.drawn.mean(axis=1) for s, p in zip(signs, parts, strict=True))
    both = sum(
        s * (p.drawn * run_weights(p.drawn.shape[1], samples, seed, k)).sum(axis=1)
        for k, (s, p) in enumerate(zip(signs, parts, strict=True))
    )
    groups = [len(part.values) for part in parts]
    of_runs = [
        p.values.var(ddof=1) / g if g > 1 else 0.0 for p, g in zip(parts, groups, strict=True)
    ]
    drawn = float(np.var(by_units))
    # what the trainings do not share averages out over trainings, and is in their variance already
    own = sum(_own(part) for part in parts)
    of_units = max(drawn - own, 0.0, drawn - sum(of_runs))
    variance = of_units + sum(of_runs)
    wrong = (of_units**2) / _unit_freedom(by_units, weights, stratum)
    wrong += sum(v**2 / (g - 1) for v, g in zip(of_runs, groups, strict=True) if g > 1)
    total = variance + failure**2
    freedom = float(np.clip(total**2 / wrong, 1, 1e6)) if wrong > 0 else 1e6
    rng = np.random.default_rng([seed, 3])
    noise, chi = rng.standard_normal(samples), rng.chisquare(freedom, samples)
    deviations = both - both.mean()
    found = float(np.std(deviations))
    if found > 1e-12:
        deviations = deviations * (np.sqrt(variance) / found)
    deviations = (deviations + failure * noise) / np.sqrt(chi / freedom)
    return Spread(float(estimate), deviations, float(np.sqrt(total)), freedom, found > 1e-12)


def _own(part: Replicates) -> float:
    """The part of the variance over draws of units that belongs to single trainings, over G."""
    groups = len(part.values)
    if groups == 1:
        return 0.0
    covariance = np.cov(part.drawn, rowvar=False)
    shared = (covariance.sum() - np.trace(covariance)) / (groups * (groups - 1))
    return float(np.trace(covariance) / groups - shared) / groups


def _unit_freedom(by_units: np.ndarray, weights: np.ndarray, stratum: np.ndarray) -> float:
    """Satterthwaite's degrees of freedom of the classes' shares of the variance over units.

    The share of a class is the sum of squares of its units' influences, which are covariances of the
    estimate with the units' weights (the infinitesimal jackknife, Efron 2014), less their own noise.
    """
    centred = by_units - by_units.mean()
    influence = centred @ (weights - weights.mean(axis=0)) / len(weights)
    sizes = np.bincount(stratum)
    sizes = sizes[sizes > 0]
    index = np.unique(stratum, return_inverse=True)[1]
    noise = sizes * np.mean(centred**2) / len(weights)
    share = np.maximum(np.bincount(index, weights=influence**2) - noise, 0)[sizes > 1]
    freedom = sizes[sizes > 1] - 1.0
    if not len(freedom):
        return 1.0
    if share.sum() <= 0:
        return float(freedom.sum())
    return float(share.sum() ** 2 / (share**2 / freedom).sum())
