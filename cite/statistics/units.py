"""The runs of one method, row by row the same, and the units that an evaluation set was drawn in.

A run is a training: one draw of training slides and one seed. Every run predicts the same slides, so runs
and slides are crossed. What is independent are patients where they are known, else slides: those are the
units, drawn whole (Field & Welsh 2007), each from among those of its class.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cite.errors import ConfigError, DataError
from cite.evaluation.predictions import Predictions

LEVELS = ('slide', 'patch', 'patient')


@dataclass(frozen=True, eq=False)
class RunTable:
    """S runs on the same N rows, which fall into U units; C classes.

    Attributes:
        rows: N names of rows, sorted; (slide, file).
        labels: (N,) true classes.
        probabilities: (S, N, C) float64.
        unit: (N,) the unit of a row, 0..U-1.
        stratum: (U,) the class that most rows of a unit have (the first of those that tie).
        unit_kind: 'patient' or 'slide'.
        patients: N patients of rows, or None.
        classes: C names.
        split_keys: S names of splits: runs of one name share their training slides.
        split_known: Whether those were given; else each run has its own.
    """

    rows: list[tuple[str, str]]
    labels: np.ndarray
    probabilities: np.ndarray
    unit: np.ndarray
    stratum: np.ndarray
    unit_kind: str
    patients: list[str] | None
    classes: tuple[str, ...]
    split_keys: list[Hashable]
    split_known: bool

    @property
    def n_runs(self) -> int:
        """S."""
        return len(self.probabilities)

    @property
    def n_units(self) -> int:
        """U."""
        return len(self.stratum)

    @property
    def splits(self) -> list[Hashable]:
        """G splits, in the order in which they come."""
        return list(dict.fromkeys(self.split_keys))


def align(
    runs: Sequence[Predictions],
    level: str = 'slide',
    aggregation: str = 'mean',
    splits: Sequence[Hashable] | None = None,
) -> RunTable:
    """Puts runs side by side, their rows in one order.

    Args:
        runs: S >= 1 predictions of the same patches.
        level: 'slide' and 'patient' make one row of the patches of each; 'patch' keeps them.
        aggregation: How, as `Predictions.by_slide` and `by_patient` take it; with its usual `top_k`.
            Tables of slides, made in another way, are taken as they are.
        splits: S keys; runs of one key share their training slides. Without, each run has its own.

    Raises:
        ConfigError: No such level, or `splits` has another length.
        DataError: No run; runs that differ in rows, labels, patients or classes.
    """
    if level not in LEVELS:
        raise ConfigError(f'level={level!r}: expected one of {", ".join(LEVELS)}.')
    if not runs:
        raise DataError('No runs: an interval needs the predictions of one run or more.')
    if splits is not None and len(splits) != len(runs):
        raise ConfigError(f'{len(runs)} runs but {len(splits)} splits; give one per run.')
    keys = None if splits is None else list(splits)
    tables = [_one_run(_at_level(run, level, aggregation)) for run in runs]
    for number, table in enumerate(tables[1:], 2):
        check_same(tables[0], table, 'run 1', f'run {number}')
    return replace(
        tables[0],
        probabilities=np.concatenate([table.probabilities for table in tables]),
        split_keys=list(range(len(runs))) if keys is None else keys,
        split_known=keys is not None,
    )


def check_same(one: RunTable, other: RunTable, name: str, other_name: str) -> None:
    """Raises DataError, naming the first difference, unless rows, labels, patients and classes agree."""
    if one.classes != other.classes:
        raise DataError(
            f'{name} has the classes {", ".join(one.classes)}, {other_name} '
            f'{", ".join(other.classes)}; runs are compared on the same classes in the same order.'
        )
    if one.rows != other.rows:
        raise DataError(_what_differs(one.rows, other.rows, name, other_name))
    if not np.array_equal(one.labels, other.labels):
        row = int(np.flatnonzero(one.labels != other.labels)[0])
        raise DataError(
            f'{name} and {other_name} have different labels for the same slides, first: '
            f'{one.rows[row][0]}; evaluate both by the same annotation.'
        )
    if one.patients != other.patients:
        raise DataError(
            f'{name} and {other_name} have different patients for the same slides; evaluate both by '
            f'the same annotation.'
        )


def _what_differs(
    one: list[tuple[str, str]], other: list[tuple[str, str]], name: str, other_name: str
) -> str:
    extra = sorted((Counter(one) - Counter(other)) + (Counter(other) - Counter(one)))
    slide, file = extra[0]
    holder = name if one.count(extra[0]) > other.count(extra[0]) else other_name
    what = f'slide {slide}' if file == slide else f'slide {slide}, file {file}'
    return (
        f'{name} and {other_name} were not evaluated on the same slides ({len(one)} and {len(other)} '
        f'rows); first that differs: {what}, which only {holder} has. Evaluate both on the same set.'
    )


def _one_run(table: Predictions) -> RunTable:
    keys = list(zip(table.slides, table.files, strict=True))
    order = sorted(range(len(keys)), key=keys.__getitem__)
    labels = table.labels[order]
    patients = None if table.patients is None else [table.patients[row] for row in order]
    names = [keys[row][0] for row in order] if patients is None else patients
    unit = np.unique(np.array(names), return_inverse=True)[1]
    votes = np.zeros((unit.max() + 1, len(table.classes)), dtype=np.int64)
    np.add.at(votes, (unit, labels), 1)
    return RunTable(
        rows=[keys[row] for row in order],
        labels=labels,
        probabilities=table.probabilities[order].astype(np.float64)[None],
        unit=unit,
        stratum=votes.argmax(axis=1),
        unit_kind='slide' if patients is None else 'patient',
        patients=patients,
        classes=table.classes,
        split_keys=[0],
        split_known=False,
    )


def _at_level(run: Predictions, level: str, aggregation: str) -> Predictions:
    if level == 'patch':
        return run
    if level == 'patient' and run.patients is None:
        raise DataError("level='patient', but the predictions name no patients; take 'slide'.")
    if level == 'patient':
        return run.by_patient() if aggregation == 'mean' else run.by_patient(aggregation)
    return run.by_slide() if aggregation == 'mean' else run.by_slide(aggregation)
