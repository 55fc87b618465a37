"""A baseline from training patches to predictions on test patches."""

from __future__ import annotations

import difflib
from importlib import import_module
from typing import Protocol, cast

import numpy as np
from numpy.typing import NDArray

from cite.baselines import TITLES
from cite.data.table import PatchTable
from cite.errors import ConfigError, DataError
from cite.evaluation.predictions import Predictions


class Method(Protocol):
    """What the module of a baseline offers."""

    CACHE_VERSION: int | None
    """Distinguishes its stored results from those of an older method; None: not worth storing."""

    def probabilities(
        self, train: PatchTable, test: PatchTable, progress: bool
    ) -> NDArray[np.float64]:
        """(N, C) class probabilities of the N test patches; `progress` allows a bar."""


def run_baseline(
    kind: str, train: PatchTable, test: PatchTable, progress: bool = True
) -> Predictions:
    """Fits a baseline to `train` and applies it to `test`; rows and paths are those of `test`.

    Args:
        kind: a key of `cite.baselines.TITLES`: 'colour' or 'majority'.
        progress: show a bar where it takes more than two seconds.

    Raises:
        ConfigError: an unknown kind.
        DataError: an empty table, tables of different classes, or patches that the baseline cannot
            take (see its module).
    """
    method = get_method(kind)
    check_tables(train, test)
    return predictions_of(test, method.probabilities(train, test, progress))


def get_method(kind: str) -> Method:
    """The module of a baseline.

    Raises:
        ConfigError: an unknown kind.
    """
    if kind not in TITLES:
        close = difflib.get_close_matches(str(kind), TITLES, n=1)
        hint = f' Did you mean {close[0]!r}?' if close else ''
        raise ConfigError(f'no baseline is called {kind!r}.{hint} Known: {", ".join(TITLES)}')
    return cast(Method, import_module(f'cite.baselines.{kind}'))


def check_tables(train: PatchTable, test: PatchTable) -> None:
    """Raises `DataError` where there is nothing to learn, nothing to test, or another task."""
    for what, table in (('training', train), ('test', test)):
        if len(table) == 0:
            raise DataError(f'{table.source}: a baseline needs {what} patches, found none')
    if train.classes != test.classes:
        raise DataError(
            f'training and test patches have different classes: {list(train.classes)} in '
            f'{train.source}, {list(test.classes)} in {test.source}'
        )


def predictions_of(test: PatchTable, probabilities: NDArray) -> Predictions:
    """Probabilities (N, C) with the N test patches that they are about."""
    return Predictions(
        files=[str(test.path(index)) for index in range(len(test))],
        labels=test.labels,
        probabilities=probabilities,
        slides=test.slides.tolist(),
        classes=test.classes,
        patients=None if test.patients is None else test.patients.tolist(),
    )
