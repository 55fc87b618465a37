"""Whether probabilities mean what they say: log loss, Brier score, calibration errors, temperature.

Functions take (N, C) probabilities and (N,) labels as `Predictions` has them. Values are computed in
float64 from the float32 that is kept, and do not depend on the order of rows to the last bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cite.errors import ConfigError
from cite.evaluation.samples import EPSILON, check_scores

BINS = 15
LOWEST, HIGHEST = 0.05, 20.0
"""Between which `fit_temperature` looks."""


@dataclass(frozen=True)
class Bin:
    """A bar of a reliability diagram: samples whose confidence is in (lower, upper]."""

    lower: float
    upper: float
    count: int
    confidence: float | None
    """Mean probability of the predicted class; None without samples."""
    accuracy: float | None
    """Share of samples whose predicted class is the true one; None without samples."""


def log_loss(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean of -ln p(true class), 0 for a perfect predictor, ln C for a uniform one; at most 15.9.

    Probabilities are clipped to 1.2e-7 from 0 and from 1, as scikit-learn does with float32.
    """
    probabilities, labels = check_scores(probabilities, labels)
    true = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return _mean(-np.log(np.clip(true, EPSILON, 1 - EPSILON)))


def brier(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over samples of the sum over classes of (p - [true class])², 0..2 (Brier 1950).

    Not halved for two classes, which some definitions are.
    """
    probabilities, labels = check_scores(probabilities, labels)
    differences = probabilities.astype(np.float64)
    differences[np.arange(len(labels)), labels] -= 1
    return _mean(np.einsum('nc,nc->n', differences, differences))


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> list[Bin]:
    """`bins` bars of equal width over 0..1, of the confidence in the predicted class.

    Bins are closed above, as Guo et al. (2017) have them, with edges in float32: a float32 of 0.2 is at
    the upper end of the third of 15 bins. 0 is in the first.
    """
    probabilities, labels = check_scores(probabilities, labels)
    count, confidence, hits = _binned(*_top(probabilities, labels), bins)
    return [
        Bin(i / bins, (i + 1) / bins, n, total / n if n else None, hit / n if n else None)
        for i, (n, total, hit) in enumerate(
            zip(count.tolist(), confidence.tolist(), hits.tolist(), strict=True)
        )
    ]


def ece(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Expected calibration error, 0..1: Σ_b n_b/N |accuracy_b - confidence_b| over `reliability`'s bins.

    Guo et al. 2017, eq. 3. Few samples make it large by chance: compare it at equal N only.
    """
    probabilities, labels = check_scores(probabilities, labels)
    return _error(*_top(probabilities, labels), bins)


def classwise_ece(probabilities: np.ndarray, labels: np.ndarray, bins: int = BINS) -> float:
    """Calibration error of each class's probability, 0..1, mean over all C classes.

    Kull et al. 2019, eq. 3: the bins of a class hold all samples, by their probability of it, and
    compare the mean of that with the share of samples that are of the class.
    """
    probabilities, labels = check_scores(probabilities, labels)
    errors = [_error(column, labels == c, bins) for c, column in enumerate(probabilities.T)]
    return float(np.mean(errors))


def fit_temperature(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The T in 0.05..20 for which `apply_temperature` has the lowest log loss (Guo et al. 2017, eq. 9).

    Above 1 where the model is overconfident. Fit it on samples that neither trained the model nor
    evaluate it. The log loss has one minimum in T; a bound is returned as it is where the loss falls
    towards it, as it does without a single error. Uniform probabilities have no temperature: 1.

    Raises:
        DataError: No samples, or as `Predictions`.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import logsumexp

    probabilities, labels = check_scores(probabilities, labels)
    order = np.lexsort((labels, *probabilities.T))  # the same last bit in any order of rows
    logits = _logits(probabilities[order])
    margins = logits - logits[np.arange(len(labels)), labels[order]][:, None]
    if not np.ptp(logits, axis=1).any():
        return 1.0

    def loss(log_t: float) -> float:
        return float(logsumexp(margins / np.exp(log_t), axis=1).mean())

    bounds = (np.log(LOWEST), np.log(HIGHEST))
    best = minimize_scalar(loss, bounds=bounds, method='bounded', options={'xatol': 1e-8})
    for bound, temperature in zip(bounds, (LOWEST, HIGHEST), strict=True):
        if loss(bound) <= best.fun:
            return temperature
    return float(np.exp(best.x))


def apply_temperature(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """(N, C) float64: softmax(ln p / T), which is softmax(logits / T) of the model's logits.

    That holds for logits up to 87 below the highest, where float32 ends and p counts as 1.2e-38.

    Raises:
        ConfigError: `temperature` is not above 0.
    """
    from scipy.special import softmax

    if not 0 < temperature < np.inf:
        raise ConfigError(f'A temperature must be a number above 0, found {temperature!r}.')
    return softmax(_logits(probabilities) / temperature, axis=1)


def _logits(probabilities: np.ndarray) -> np.ndarray:
    smallest = np.finfo(np.float32).tiny
    return np.log(np.maximum(np.asarray(probabilities), smallest, dtype=np.float64))


def _top(probabilities: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return probabilities.max(axis=1), probabilities.argmax(axis=1) == labels


def _error(confidence: np.ndarray, hit: np.ndarray, bins: int) -> float:
    _, total, hits = _binned(confidence, hit, bins)
    return float(np.abs(hits - total).sum() / len(hit))


def _binned(
    confidence: np.ndarray, hit: np.ndarray, bins: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(bins,) samples, sum of their confidences, and hits."""
    if bins < 1:
        raise ConfigError(f'Calibration takes 1 bin or more, found {bins}.')
    order = np.argsort(confidence)
    confidence, hit = confidence[order], hit[order]
    edges = np.linspace(0, 1, bins + 1, dtype=np.float32)
    which = np.clip(np.searchsorted(edges, confidence) - 1, 0, bins - 1)
    count = np.bincount(which, minlength=bins)
    totals = [np.bincount(which, weights=w, minlength=bins) for w in (confidence, hit)]
    return count, totals[0], totals[1]


def _mean(values: np.ndarray) -> float:
    return float(np.sort(values).mean())
