"""Features with their labels, checked once, and brought into the form that a protocol fits on.

Features may be mapped into memory: they are read in pieces, and the one copy that is made is the
scaled one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from cite.errors import DataError

PIECE = 8192
"""Rows that are read at once."""
NOT_CONSTANT = 1e-6
"""A feature whose standard deviation is below this share of its size is taken for constant."""


@dataclass(frozen=True, eq=False)
class Samples:
    """Rows of a table of features, and their classes.

    Args:
        features: (N, D) floating-point numbers, in memory or mapped.
        labels: (n,) class indices from 0.
        rows: (n,) rows of `features` that are meant; default all of them.

    Raises:
        DataError: Shapes that do not fit, no rows, or labels that are no whole numbers from 0.
    """

    features: np.ndarray
    labels: np.ndarray
    rows: np.ndarray | None = None

    def __post_init__(self) -> None:
        features, labels = self.features, np.asarray(self.labels)
        if features.ndim != 2 or not np.issubdtype(features.dtype, np.floating):
            raise DataError(
                f'features: expected floating-point numbers of shape (rows, D), found {features.dtype} '
                f'of {features.shape}'
            )
        count = len(features) if self.rows is None else len(self.rows)
        if labels.shape != (count,) or count == 0:
            raise DataError(
                f'labels: expected one for each of {count} rows, found shape {labels.shape}'
            )
        if not np.issubdtype(labels.dtype, np.integer) or labels.min() < 0:
            raise DataError('labels: expected class indices, whole numbers from 0')
        object.__setattr__(self, 'labels', labels.astype(np.int64))

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def dim(self) -> int:
        """Length of a feature."""
        return int(self.features.shape[1])

    def pieces(self) -> Iterator[tuple[slice, np.ndarray]]:
        """Places and their features, float32, a few thousand at a time.

        Raises:
            DataError: A number that is not finite.
        """
        for start in range(0, len(self), PIECE):
            place = slice(start, min(start + PIECE, len(self)))
            rows = place if self.rows is None else self.rows[place]
            piece = np.asarray(self.features[rows], dtype=np.float32)
            bad = ~np.isfinite(piece).all(axis=1)
            if bad.any():
                at = int(np.flatnonzero(bad)[0]) + start
                row = at if self.rows is None else int(self.rows[at])
                raise DataError(
                    f'features: {int(bad.sum())} rows or more hold numbers that are not finite, first: '
                    f'row {row}. Half precision overflows so: compute them again with --precision fp32'
                )
            yield place, piece

    def joined(self, other: Samples) -> Samples:
        """These and the rows of others of the same table or of another one."""
        labels = np.concatenate([self.labels, other.labels])
        places = [np.arange(len(s)) if s.rows is None else s.rows for s in (self, other)]
        if self.features is other.features:
            return Samples(self.features, labels, np.concatenate(places))
        both = [s.features[rows] for s, rows in zip((self, other), places, strict=True)]
        return Samples(np.concatenate(both), labels)

    def part(self, chosen: np.ndarray) -> Samples:
        """The samples at these places."""
        rows = np.arange(len(self)) if self.rows is None else self.rows
        return Samples(self.features, self.labels[chosen], rows[chosen])


def check_same_width(train: Samples, other: Samples, name: str) -> None:
    """Refuses features of another length than those of training.

    Raises:
        DataError: Naming both.
    """
    if train.dim != other.dim:
        raise DataError(
            f'the features of training are {train.dim} wide, those of {name} {other.dim}: they are of two '
            'models. Compute both with one'
        )


def check_classes(labels: np.ndarray, classes: tuple[str, ...], least: int = 2) -> None:
    """Refuses training sets that cannot say what every class looks like.

    Raises:
        DataError: Fewer than two classes, or a class with fewer than `least` samples.
    """
    if len(classes) < 2:
        raise DataError(f'a probe needs two classes or more, found {", ".join(classes) or "none"}')
    if labels.max() >= len(classes):
        raise DataError(f'labels: {int(labels.max())} is no class, there are {len(classes)}')
    counts = np.bincount(labels, minlength=len(classes))
    few = [f'{name} ({n})' for name, n in zip(classes, counts, strict=True) if n < least]
    if few:
        raise DataError(
            f'the training set needs {least} patches of every class or more; too few of '
            f'{", ".join(few)}. Add some, or take the class out of all sets'
        )


@dataclass(frozen=True, eq=False)
class Scaling:
    """What is done to a feature before it is classified.

    Attributes:
        mean, std: (D,) float32 of the training features, or None: taken off, divided by. A constant feature
            has the std 1, as in scikit-learn's StandardScaler.
        unit: Bring each feature vector to length 1 (a zero vector stays).
    """

    mean: np.ndarray | None = None
    std: np.ndarray | None = None
    unit: bool = False

    def __call__(self, features: np.ndarray) -> np.ndarray:
        """(n, D) → (n, D) float32."""
        found = np.asarray(features, dtype=np.float32)
        if self.unit:
            length = np.linalg.norm(found, axis=1, keepdims=True)
            found = found / np.maximum(length, np.finfo(np.float32).tiny)
        if self.mean is not None and self.std is not None:
            found = (found - self.mean) / self.std
        return found

    def copy_of(self, samples: Samples) -> np.ndarray:
        """All samples, scaled: (n, D) float32, the one copy that is made."""
        out = np.empty((len(samples), samples.dim), np.float32)
        for place, piece in samples.pieces():
            out[place] = self(piece)
        return out


def scaling_of(samples: Samples, how: str) -> Scaling:
    """The scaling of a protocol: 'standard' (moments of these samples), 'unit', or 'none'."""
    if how != 'standard':
        return Scaling(unit=how == 'unit')
    # about the first feature: sums of small numbers stay exact
    shift = next(samples.pieces())[1][0].astype(np.float64)
    total, squares = np.zeros((2, samples.dim))
    for _, piece in samples.pieces():
        off = piece - shift
        total += off.sum(axis=0)
        squares += np.einsum('nd,nd->d', off, off)
    offset = total / len(samples)
    std = np.sqrt(np.maximum(squares / len(samples) - offset**2, 0))
    mean = offset + shift
    std = np.where(std <= NOT_CONSTANT * np.maximum(np.abs(mean), 1e-12), 1, std)
    return Scaling(mean.astype(np.float32), std.astype(np.float32))
