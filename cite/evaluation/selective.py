"""What a model gains by leaving its least confident samples to a pathologist: risk over coverage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cite.errors import ConfigError
from cite.evaluation.samples import check_scores

COVERAGES = (0.8, 0.9)


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """Error rate among the most confident samples (El-Yaniv & Wiener 2010).

    Attributes:
        coverage: (N,) float64, 1/N, 2/N, …, 1: the share of samples that the model answers.
        risk: (N,) float64, the error rate among them, 0..1.
    """

    coverage: np.ndarray
    risk: np.ndarray

    @property
    def aurc(self) -> float:
        """Area under the curve, 0..1, as the mean of `risk` (Geifman et al. 2019); lower is better.

        It falls with the error rate at full coverage as well as with better order: among models of one
        accuracy it compares their confidence.
        """
        return float(self.risk.mean())

    def accuracy_at(self, coverage: float) -> float:
        """Accuracy on the ⌈coverage · N⌉ most confident samples.

        Raises:
            ConfigError: `coverage` is not above 0 and at most 1.
        """
        if not 0 < coverage <= 1:
            raise ConfigError(f'A coverage must be above 0 and at most 1, found {coverage!r}.')
        answered = int(
            np.ceil(coverage * len(self.risk) - 1e-9)
        )  # 0.07 · 100 is above 7 in float64
        return float(1 - self.risk[max(answered, 1) - 1])


def risk_coverage(probabilities: np.ndarray, labels: np.ndarray) -> RiskCoverage:
    """The curve of N samples, by their probability of the predicted class (Geifman & El-Yaniv 2017).

    Samples of equal confidence have no order: the curve is its mean over all orders of them, a straight
    line in errors over samples. So rows may come in any order.

    Args:
        probabilities: (N, C).
        labels: (N,).

    Raises:
        DataError: As `Predictions`.
    """
    probabilities, labels = check_scores(probabilities, labels)
    confidence = probabilities.max(axis=1)
    wrong = probabilities.argmax(axis=1) != labels
    order = np.argsort(-confidence)
    confidence, errors = confidence[order], np.cumsum(wrong[order])
    ends = np.flatnonzero(np.append(confidence[1:] != confidence[:-1], True))  # of equal ones
    answered = np.arange(1, len(labels) + 1)
    expected = np.interp(answered, np.append(0, ends + 1), np.append(0, errors[ends]))
    return RiskCoverage(answered / len(labels), expected / answered)


def selective_metrics(probabilities: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """'aurc', and 'accuracy_at_80' and 'accuracy_at_90': at 80 and 90 % coverage."""
    curve = risk_coverage(probabilities, labels)
    at = {f'accuracy_at_{round(100 * share)}': curve.accuracy_at(share) for share in COVERAGES}
    return {'aurc': curve.aurc, **at}
