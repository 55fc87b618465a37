"""How strongly to regularise, by validation patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from cite.evaluation.samples import EPSILON
from cite.probing.fit import Fitted, epochs, fit_at
from cite.probing.probe import Probe, to_probabilities
from cite.probing.protocols import CITE, Protocol, find_protocol
from cite.probing.samples import Samples, check_classes, check_same_width, scaling_of
from cite.statistics.counted import from_confusion


class Tried(NamedTuple):
    """One value and what came of it.

    Attributes:
        value: C, alpha, or the number of epochs.
        score: Of the validation patches.
        loss: Their log loss, nats.
        converged: Whether the solver stopped by itself.
        iterations: It took.
    """

    value: float
    score: float
    loss: float
    converged: bool
    iterations: int


@dataclass(frozen=True, eq=False)
class Choice:
    """What was tried and what was chosen.

    Attributes:
        tried: From the strongest regularisation to the weakest.
        value: The chosen one: the best score; of equal ones as the protocol says.
        score: Its score.
        metric: What the score is.
        probe: The chosen probe, fitted on the training patches alone.
    """

    tried: tuple[Tried, ...]
    value: float
    score: float
    metric: str
    probe: Probe

    @property
    def at_the_edge(self) -> bool:
        """Whether the first or the last value was chosen, so that a better one may lie beyond."""
        values = [one.value for one in self.tried]
        return len(values) > 1 and self.score < 1 and self.value in (values[0], values[-1])


def choose_regularisation(
    train: Samples,
    validation: Samples,
    values: tuple[float, ...] | None = None,
    classes: tuple[str, ...] | None = None,
    protocol: str | Protocol = CITE,
    progress: bool = False,
) -> Choice:
    """Fits at every value on the training samples, and takes the one that validation patches like best.

    That no slide is on both sides is for the caller to see to (`cite.probing.held_out`).

    Args:
        train, validation: Features and labels.
        values: In place of the protocol's, from the strongest regularisation to the weakest.
        classes: Names; default '0', '1', ….
        protocol: Scaling, solver, search and score.
        progress: Show a bar where it takes longer than two seconds.

    Raises:
        DataError: See `fit_probe`; or validation features of another length.
    """
    protocol = find_protocol(protocol)
    values = protocol.values if values is None else tuple(map(float, values))
    if classes is None:
        classes = tuple(map(str, range(int(train.labels.max()) + 1)))
    check_classes(train.labels, classes)
    check_same_width(train, validation, 'validation')
    scaling = scaling_of(train, protocol.scaling)
    data, unseen = scaling.copy_of(train), scaling.copy_of(validation)
    tried: dict[int, Tried] = {}
    best: tuple[tuple[float, float, int], Fitted] | None = None
    with tqdm(desc='choosing', unit=' fits', delay=2, disable=not progress, leave=False) as bar:
        for at, fitted in _fits(protocol, values, data, train.labels, len(classes), tried):
            score, loss = _score(fitted, unseen, validation.labels, protocol.score)
            tried[at] = Tried(values[at], score, loss, fitted.converged, fitted.iterations)
            rank = _rank(protocol, tried[at], at)
            if best is None or rank < best[0]:
                best = rank, fitted
            bar.update()
    assert best is not None
    (_, _, at), fitted = best
    about = {
        'protocol': protocol.name,
        'varied': protocol.varied,
        'value': values[at],
        'converged': fitted.converged,
        'iterations': fitted.iterations,
        'train_patches': len(train),
    }
    probe = Probe(fitted.weight, fitted.bias, classes, scaling, fitted.kind, about)
    found = tuple(tried[place] for place in sorted(tried))
    return Choice(found, values[at], tried[at].score, protocol.score, probe)


def _rank(protocol: Protocol, tried: Tried, at: int) -> tuple[float, float, int]:
    """What is smallest for the value to choose."""
    return -tried.score, tried.loss if protocol.ties == 'loss' else 0.0, at


def _fits(
    protocol: Protocol,
    values: tuple[float, ...],
    data: np.ndarray,
    labels: np.ndarray,
    classes: int,
    tried: dict[int, Tried],
) -> Iterator[tuple[int, Fitted]]:
    """Places among the values, and what was fitted there. `tried` fills while it goes on."""
    if protocol.solver == 'adam':  # one training passes all epochs
        place = {int(value): at for at, value in enumerate(values)}
        for fitted in epochs(protocol, max(place), data, labels, classes):
            if fitted.iterations in place:
                yield place[fitted.iterations], fitted
        return
    stride = protocol.stride if protocol.search == 'halving' else 1
    places = list(range(0, len(values), stride))
    while places:
        for at in places:
            yield at, fit_at(protocol, values[at], data, labels, classes)
        stride //= 2
        if not stride:
            return
        peak = min(tried, key=lambda at: _rank(protocol, tried[at], at))
        places = [at for at in (peak - stride, peak + stride) if 0 <= at < len(values)]
        places = [at for at in places if at not in tried]


def _score(
    fitted: Fitted, unseen: np.ndarray, labels: np.ndarray, metric: str
) -> tuple[float, float]:
    """The metric, and the log loss."""
    scores = unseen @ fitted.weight.T + fitted.bias
    predicted = scores.argmax(axis=1)
    size = len(fitted.bias)
    confusion = np.bincount(size * labels + predicted, minlength=size**2).reshape(size, size)
    right = to_probabilities(scores, fitted.kind)[np.arange(len(labels)), labels]
    loss = -np.log(np.maximum(right, EPSILON, dtype=np.float64)).mean()
    return float(from_confusion(metric, confusion.astype(np.float64))), float(loss)
