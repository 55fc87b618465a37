"""All runs of a study, each read once: what tables, curves and tests need of them, and no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cite.errors import DataError
from cite.evaluation.predictions import Predictions
from cite.studies.description import Study
from cite.studies.record import DONE, FAILED, WAITING, RunRecord, read_record, read_result
from cite.studies.report import numbers
from cite.studies.run_key import RunKey, shots_order

PATCH, SLIDE, PATIENT = 'patch', 'slide', 'patient'
MAIN_LEVEL, MAIN_METRIC = SLIDE, 'balanced_accuracy'
PATCHES_KEPT = 500_000
"""Rows of all runs together up to which patches are kept for intervals at patch level: 100 MB or so."""

Metrics = Mapping[str, float | int | None]


@dataclass(frozen=True)
class Run:
    """One run of a study, done or not.

    Attributes:
        key: Which.
        state: 'done', 'failed', 'running' or 'waiting'.
        record: None where it was never begun.
        error: Why it is not usable, one line.
        metrics: Level → metric → value, of a run that is done.
        tables: Level → predictions, one row per unit; patches only where `Material.patches_kept`.
        calibrated: The same after temperature scaling; empty without a temperature.
    """

    key: RunKey
    state: str
    record: RunRecord | None = None
    error: str = ''
    metrics: Mapping[str, Metrics] = field(default_factory=dict)
    tables: Mapping[str, Predictions] = field(default_factory=dict)
    calibrated: Mapping[str, Predictions] = field(default_factory=dict)


@dataclass(frozen=True)
class Material:
    """A study and its runs.

    Attributes:
        folder: Of the study.
        study: Its description.
        runs: All of them, in the order of `Study.keys`.
        classes: Names of the classes.
        patches_kept: False where there are too many patches for intervals at patch level.
    """

    folder: Path
    study: Study
    runs: tuple[Run, ...]
    classes: tuple[str, ...]
    patches_kept: bool

    @property
    def done(self) -> list[Run]:
        """Runs with results."""
        return [run for run in self.runs if run.state == DONE]

    def of(self, method: str, shots: str) -> list[Run]:
        """Finished runs of a method at so many shots, in order of their seeds."""
        return [run for run in self.done if (run.key.method, run.key.shots) == (method, shots)]

    @property
    def methods(self) -> list[str]:
        """Names of methods with at least one finished run, in the study's order."""
        there = {run.key.method for run in self.done}
        return [method.name for method in self.study.methods if method.name in there]

    @property
    def shots(self) -> list[str]:
        """Shots with at least one finished run, ascending."""
        return sorted({run.key.shots for run in self.done}, key=shots_order)

    @property
    def most(self) -> str:
        """The largest shots with finished runs: where methods are compared in pictures."""
        return self.shots[-1]

    @property
    def levels(self) -> list[str]:
        """'patch', 'slide' and, where patients are known, 'patient'."""
        return [level for level in (PATCH, SLIDE, PATIENT) if level in self.done[0].metrics]

    @property
    def units(self) -> dict[str, int]:
        """Class → independent evaluation units: patients where they are known, else slides."""
        slides = self.done[0].tables[SLIDE]
        names = slides.slides if slides.patients is None else slides.patients
        found = set(zip(names, slides.labels.tolist(), strict=True))
        return {
            name: sum(label == index for _, label in found)
            for index, name in enumerate(self.classes)
        }

    @property
    def unit_kind(self) -> str:
        """'patients' or 'slides': what `units` counts."""
        return 'slides' if self.done[0].tables[SLIDE].patients is None else 'patients'

    def baseline(self, method: str) -> bool:
        """Whether a method is a baseline without a model."""
        return self.study.method(method).baseline is not None


def gather(folder: Path, progress: bool = True) -> Material:
    """Reads a study's runs one after another.

    Raises:
        DataError: No run is done, or two runs were tested on different patches.
    """
    from tqdm import tqdm

    study = Study.load(folder)
    keys = study.runs()
    runs: list[Run] = []
    first: Predictions | None = None
    for key in tqdm(keys, desc='report', unit='run', delay=2, disable=not progress):
        found = _predictions(folder, key)
        if isinstance(found, Run):
            runs.append(found)
            continue
        record, predictions = found
        if first is None:
            first = predictions
        predictions = _shared(predictions, first, key)
        keep = len(predictions) * len(keys) <= PATCHES_KEPT
        runs.append(_run(study, record, predictions, keep))
    if first is None:
        states = ', '.join(
            f'{sum(run.state == state for run in runs)} {state}'
            for state in sorted({run.state for run in runs})
        )
        raise DataError(
            f'{folder}: none of {len(keys)} runs is done ({states}), so there is nothing to report; '
            'run the study first'
        )
    keep = len(first) * len(keys) <= PATCHES_KEPT
    return Material(Path(folder), study, tuple(runs), first.classes, keep)


def _predictions(folder: Path, key: RunKey) -> Run | tuple[RunRecord, Predictions]:
    """Of a finished run; else the run as it stands."""
    try:
        result = read_result(folder, key)
    except DataError as error:  # its predictions: the rest of the study can be reported without
        return Run(key, FAILED, read_record(folder, key), ' '.join(str(error).split()))
    if result is not None:
        return result.record, result.predictions
    record = read_record(folder, key)
    if record is None:
        return Run(key, WAITING)
    return Run(key, record.state, record, ' '.join((record.error or '').split()))


def _shared(predictions: Predictions, first: Predictions, key: RunKey) -> Predictions:
    """The same predictions with the names of the first run, in its order: kept once for all runs.

    Raises:
        DataError: They are of other patches, so that runs cannot be compared.
    """
    if predictions is first:
        return first
    if predictions.files != first.files:
        place = {file: row for row, file in enumerate(predictions.files)}
        if len(place) != len(first) or any(file not in place for file in first.files):
            raise DataError(
                f'run {key} was tested on other patches than the first run ({len(predictions)} and '
                f'{len(first)}): one study has one evaluation set. Delete the runs that are older than '
                'the data and run them again'
            )
        rows = [place[file] for file in first.files]
        predictions = numbers.select(predictions, rows)
    same = (
        (predictions.labels == first.labels).all()
        and predictions.slides == first.slides
        and predictions.patients == first.patients
        and predictions.classes == first.classes
    )
    if not same:
        raise DataError(
            f'run {key} has other labels, slides, patients or classes than the first run for the same '
            'patches; delete the runs that are older than the data and run them again'
        )
    return Predictions(
        first.files,
        first.labels,
        predictions.probabilities,
        first.slides,
        first.classes,
        first.patients,
    )


def _run(study: Study, record: RunRecord, predictions: Predictions, keep: bool) -> Run:
    tables = numbers.by_level(predictions, study.aggregation, study.top_k)
    calibrated: dict[str, Predictions] = {}
    if record.temperature is not None:
        scaled = numbers.scaled(predictions, record.temperature)
        calibrated = numbers.by_level(scaled, study.aggregation, study.top_k)
    metrics = {
        level: numbers.run_metrics(table, calibrated.get(level)) for level, table in tables.items()
    }
    if not keep:
        tables.pop(PATCH)
        calibrated.pop(PATCH, None)
    return Run(record.key, DONE, record, '', metrics, tables, calibrated)
