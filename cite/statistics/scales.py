"""Where a metric lies, and how errors are laid on it so that an interval stays there.

A deviation d of an estimate is laid on the logit scale to first order, logit(x) + d / (x (1 - x)): the side
towards the middle gets longer, that towards the end shorter, as it is for proportions and AUROCs near 1
(Pepe 2003). Metrics of right and wrong answers are first moved a little from 0 and 1, to
(x n + 2) / (n + 4) (Agresti & Coull 1998), because with few units a logit near 1 measures nothing. The log
loss has no upper end: its scale is the logarithm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cite.errors import ConfigError

ADDED = 2.0  # successes and failures, each, after Agresti & Coull


@dataclass(frozen=True)
class Scale:
    """A metric's range and its perfect value.

    Attributes:
        low: The smallest value.
        high: The largest, infinite where there is none.
        best: The perfect one.
        counted: It is made of right and wrong answers, so one unit more that fails moves it by about 1 / n.
    """

    low: float
    high: float
    best: float
    counted: bool = False

    def lay(self, estimate: float, deviations: np.ndarray, n: float) -> np.ndarray:
        """estimate + deviations, on this scale; `n` units are behind the estimate."""
        if not np.isfinite(self.high):
            if estimate <= self.low:
                return estimate + np.maximum(deviations, 0)
            return self.low + (estimate - self.low) * np.exp(deviations / (estimate - self.low))
        width = self.high - self.low
        added = ADDED if self.counted else 0.0
        shrink = n / (n + 2 * added)
        inner = ((estimate - self.low) / width * n + added) / (n + 2 * added)
        if not 0 < inner < 1:
            return np.full_like(deviations, estimate)
        logit = np.log(inner / (1 - inner)) + deviations / width * shrink / (inner * (1 - inner))
        with np.errstate(over='ignore'):
            back = 1 / (1 + np.exp(-logit))
        laid = self.low + width * (back * (n + 2 * added) - added) / n
        return np.clip(laid, self.low, self.high)


SCALES = {
    'accuracy': Scale(0, 1, 1, counted=True),
    'balanced_accuracy': Scale(0, 1, 1, counted=True),
    'macro_f1': Scale(0, 1, 1, counted=True),
    'weighted_f1': Scale(0, 1, 1, counted=True),
    'quadratic_kappa': Scale(-1, 1, 1, counted=True),
    'auroc': Scale(0, 1, 1),
    'auprc': Scale(0, 1, 1),
    'log_loss': Scale(0, np.inf, 0),
    'brier': Scale(0, 2, 0),
    'ece': Scale(0, 1, 0),
}


def scale_of(metric: str) -> Scale:
    """The scale of a metric.

    Raises:
        ConfigError: There is no interval for that metric.
    """
    if metric not in SCALES:
        raise ConfigError(f'metric={metric!r}: expected one of {", ".join(SCALES)}.')
    return SCALES[metric]


def effective_units(metric: str, stratum: np.ndarray) -> float:
    """How many units a metric's value averages over.

    U where each unit counts alike; C² / Σ 1/n_c where each class does, which is U where classes are equal.
    """
    if metric in ('accuracy', 'weighted_f1', 'log_loss', 'brier', 'ece'):
        return float(len(stratum))
    sizes = np.bincount(stratum)
    sizes = sizes[sizes > 0]
    return float(len(sizes) ** 2 / (1 / sizes).sum())
