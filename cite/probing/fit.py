"""One fit of a linear classifier, by the solver of a protocol."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any, NamedTuple

import numpy as np

from cite.probing.probe import Kind, Probe
from cite.probing.protocols import CITE, Protocol, find_protocol
from cite.probing.samples import Samples, check_classes, scaling_of

SMALL = 2**22
"""Numbers (rows × features) below which a fit takes one thread."""


class Fitted(NamedTuple):
    """Weights on scaled features.

    Attributes:
        weight, bias: (C, D), (C,) float32.
        kind: How scores become probabilities.
        converged: Whether the solver stopped by itself, before its limit of iterations.
        iterations: How many it took.
    """

    weight: np.ndarray
    bias: np.ndarray
    kind: Kind
    converged: bool
    iterations: int


def fit_probe(
    features: np.ndarray | Samples,
    labels: np.ndarray | None = None,
    value: float = 1.0,
    classes: tuple[str, ...] | None = None,
    protocol: str | Protocol = CITE,
) -> Probe:
    """A probe at one strength of regularisation.

    Args:
        features: (N, D), in memory or mapped; or samples, which have their labels.
        labels: (N,) class indices.
        value: What the protocol varies: C of 'cite' and 'clip' (larger is weaker), alpha of 'plip'
            (larger is stronger), the number of epochs of 'whyclip'.
        classes: Names; default '0', '1', ….
        protocol: Scaling and solver.

    Raises:
        DataError: One class only, fewer than two samples of one, or features that are not finite.
    """
    protocol = find_protocol(protocol)
    if isinstance(features, Samples):
        samples = features
    else:
        samples = Samples(features, np.zeros(0) if labels is None else labels)
    if classes is None:
        classes = tuple(map(str, range(int(samples.labels.max()) + 1)))
    check_classes(samples.labels, classes)
    scaling = scaling_of(samples, protocol.scaling)
    fitted = fit_at(protocol, value, scaling.copy_of(samples), samples.labels, len(classes))
    about = {
        'protocol': protocol.name,
        'varied': protocol.varied,
        'value': float(value),
        'converged': fitted.converged,
        'iterations': fitted.iterations,
        'train_patches': len(samples),
    }
    return Probe(fitted.weight, fitted.bias, classes, scaling, fitted.kind, about)


def fit_at(
    protocol: Protocol, value: float, scaled: np.ndarray, labels: np.ndarray, classes: int
) -> Fitted:
    """A fit on features that are scaled; the same numbers give the same weights."""
    if protocol.solver == 'logistic':
        with _threads_for(scaled):
            return _logistic(protocol, value, scaled, labels, classes)
    if protocol.solver == 'sgd':
        return _sgd(protocol, value, scaled, labels, classes)
    return list(epochs(protocol, int(value), scaled, labels, classes))[-1]


def _threads_for(scaled: np.ndarray) -> AbstractContextManager[Any]:
    """One thread where products are small: several cost more than they bring, beside other work a lot."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1) if scaled.size < SMALL else nullcontext()


def _logistic(
    protocol: Protocol, value: float, scaled: np.ndarray, labels: np.ndarray, classes: int
) -> Fitted:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=value, max_iter=protocol.max_iter)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always', ConvergenceWarning)
        model.fit(scaled, labels)
    stopped = any(issubclass(one.category, ConvergenceWarning) for one in told)
    weight, bias = _rows(model.coef_, model.intercept_, classes)
    return Fitted(weight, bias, 'softmax', not stopped, int(np.max(model.n_iter_)))


def _sgd(
    protocol: Protocol, value: float, scaled: np.ndarray, labels: np.ndarray, classes: int
) -> Fitted:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import SGDClassifier

    model = SGDClassifier(
        loss='log_loss',
        alpha=value,
        max_iter=protocol.max_iter,
        class_weight='balanced',
        random_state=protocol.seed,
    )
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter('always', ConvergenceWarning)
        model.fit(scaled, labels)
    stopped = any(issubclass(one.category, ConvergenceWarning) for one in told)
    weight, bias = _rows(model.coef_, model.intercept_, classes)
    kind: Kind = 'softmax' if classes == 2 else 'one-vs-rest'  # of two they are the same
    return Fitted(weight, bias, kind, not stopped, int(model.n_iter_))


def _rows(coef: np.ndarray, intercept: np.ndarray, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """A row of weights for each class; scikit-learn has one for two classes."""
    if classes == 2:
        coef = np.concatenate([np.zeros_like(coef), coef])
        intercept = np.concatenate([np.zeros_like(intercept), intercept])
    return coef.astype(np.float32), intercept.astype(np.float32)


def epochs(
    protocol: Protocol, count: int, scaled: np.ndarray, labels: np.ndarray, classes: int
) -> Iterator[Fitted]:
    """A linear layer trained by Adam on the cross-entropy, after each epoch.

    Weights start as those of `torch.nn.Linear`, uniform within 1/√D, and every epoch has its own order,
    all from the protocol's seed; nothing else that is random is touched.
    """
    import torch
    from torch.nn.functional import cross_entropy

    draw = torch.Generator().manual_seed(protocol.seed)
    inputs, targets = torch.from_numpy(scaled), torch.from_numpy(labels)
    bound = scaled.shape[1] ** -0.5
    weight = torch.empty(classes, scaled.shape[1]).uniform_(-bound, bound, generator=draw)
    bias = torch.empty(classes).uniform_(-bound, bound, generator=draw)
    weight.requires_grad_(), bias.requires_grad_()
    optimizer = torch.optim.Adam([weight, bias], lr=protocol.lr)
    for epoch in range(1, count + 1):
        order = torch.randperm(len(inputs), generator=draw)
        for batch in order.split(protocol.batch_size):
            optimizer.zero_grad()
            cross_entropy(inputs[batch] @ weight.T + bias, targets[batch]).backward()
            optimizer.step()
        found = weight.detach().numpy().copy(), bias.detach().numpy().copy()
        yield Fitted(*found, 'softmax', True, epoch)
