"""A linear classifier on frozen features: what probing leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from cite.errors import DataError
from cite.probing.samples import Samples, Scaling

Kind = Literal['softmax', 'one-vs-rest']


@dataclass(frozen=True, eq=False)
class Probe:
    """scores = scaled features · weightᵀ + bias; the class with the highest one is predicted.

    Attributes:
        weight: (C, D) float32. Of two classes the first row is 0, since one score tells them apart.
        bias: (C,) float32.
        classes: C names, in the order of the rows.
        scaling: What is done to the features first.
        kind: How scores become probabilities: 'softmax', or the logistic function of each score, divided by
            their sum ('one-vs-rest').
        about: Plain values: protocol, regularisation, model, training set.
    """

    weight: np.ndarray
    bias: np.ndarray
    classes: tuple[str, ...]
    scaling: Scaling = field(default_factory=Scaling)
    kind: Kind = 'softmax'
    about: dict[str, Any] = field(default_factory=dict)

    def scores(self, features: np.ndarray | Samples) -> np.ndarray:
        """(n, D) → (n, C) float32; read in pieces, so features may be mapped into memory.

        Raises:
            DataError: Features of another length, or that are not finite.
        """
        samples = features if isinstance(features, Samples) else _unlabelled(features)
        if samples.dim != self.weight.shape[1]:
            raise DataError(
                f'the probe reads features of length {self.weight.shape[1]}, found {samples.dim}: they are '
                f'of another model than {self.about.get("model", "its own")}'
            )
        found = np.empty((len(samples), len(self.classes)), np.float32)
        for place, piece in samples.pieces():
            found[place] = self.scaling(piece) @ self.weight.T + self.bias
        return found

    def probabilities(self, features: np.ndarray | Samples) -> np.ndarray:
        """(n, C) float32 that sum to 1; the largest is that of the highest score, always."""
        return to_probabilities(self.scores(features), self.kind)

    def predict(self, features: np.ndarray | Samples) -> np.ndarray:
        """(n,) int64 index of the class."""
        return self.scores(features).argmax(axis=1)


def to_probabilities(scores: np.ndarray, kind: Kind) -> np.ndarray:
    """(n, C) scores → (n, C) float32 probabilities whose order is that of the scores at the top.

    Where two scores are too far out for float32 to tell their probabilities apart, that of the higher score
    is put above the other by one unit in the last place, so that predictions are those of the scores.
    """
    exact = scores.astype(np.float64)
    if kind == 'one-vs-rest':
        exact = -np.logaddexp(0, -exact)  # log of the logistic function
    exact -= exact.max(axis=1, keepdims=True)
    exact = np.exp(exact)
    found = (exact / exact.sum(axis=1, keepdims=True)).astype(np.float32)
    winner = scores.argmax(axis=1)
    tied = np.flatnonzero(found.argmax(axis=1) != winner)
    found[tied, winner[tied]] = np.nextafter(found[tied].max(axis=1), np.float32(2))
    return found


def _unlabelled(features: np.ndarray) -> Samples:
    return Samples(features, np.zeros(len(features), np.int64))
