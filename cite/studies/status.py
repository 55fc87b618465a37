"""How far a study is, read from its folder while it runs; nothing is written."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from cite.studies.claims import is_claimed
from cite.studies.description import Study
from cite.studies.record import DONE, FAILED, RUNNING, WAITING, RunRecord, read_record
from cite.studies.run_key import RunKey, shots_order


@dataclass(frozen=True)
class Counts:
    """Runs by state.

    Attributes:
        running: Whose record says so and which a live process holds.
        waiting: Never begun, or begun by a process that died (`interrupted` of them), which is resumed.
    """

    done: int = 0
    failed: int = 0
    running: int = 0
    waiting: int = 0
    interrupted: int = 0

    @property
    def total(self) -> int:
        """All runs."""
        return self.done + self.failed + self.running + self.waiting

    def __add__(self, other: Counts) -> Counts:
        return Counts(
            self.done + other.done,
            self.failed + other.failed,
            self.running + other.running,
            self.waiting + other.waiting,
            self.interrupted + other.interrupted,
        )


@dataclass(frozen=True)
class StudyStatus:
    """The state of a study at one moment.

    Attributes:
        name: Of the study.
        methods: Rows, in order.
        shots: Columns, ascending.
        cells: (method, shots) → counts.
        seconds: Used by runs that are done or failed, added up over workers.
        seconds_left: Until the end at the present number of running runs (as one worker would need where
            none runs); None while there is no done run to estimate from.
        errors: First line of an error → the runs that failed with it.
    """

    name: str
    methods: tuple[str, ...]
    shots: tuple[str, ...]
    cells: Mapping[tuple[str, str], Counts]
    seconds: float
    seconds_left: float | None
    errors: Mapping[str, tuple[str, ...]]

    @property
    def counts(self) -> Counts:
        """Of the whole study."""
        return sum(self.cells.values(), Counts())

    @property
    def over(self) -> bool:
        """Whether every run is done or has failed."""
        return not (self.counts.running or self.counts.waiting)


def study_status(study_dir: str | Path) -> StudyStatus:
    """Reads the records of a study.

    Raises:
        DataError: There is no study in that folder.
    """
    folder = Path(study_dir)
    study = Study.load(folder)
    runs = {key: read_record(folder, key) for key in sorted(study.runs(), key=_order)}
    cells = {(m.name, s): Counts() for m in study.methods for s in study.shots}
    errors: dict[str, list[str]] = defaultdict(list)
    states: dict[RunKey, str] = {}
    for key, record in runs.items():
        state = WAITING if record is None else record.state
        interrupted = state == RUNNING and not is_claimed(key.folder(folder))
        states[key] = WAITING if interrupted else state
        cells[key.method, key.shots] += Counts(**{states[key]: 1, 'interrupted': int(interrupted)})
        if state == FAILED and record is not None:
            errors[next(iter((record.error or '').splitlines()), 'no message')].append(str(key))
    return StudyStatus(
        study.name,
        tuple(method.name for method in study.methods),
        tuple(sorted(study.shots, key=shots_order)),
        cells,
        sum(_seconds(r) for k, r in runs.items() if r and states[k] in (DONE, FAILED)),
        _left(runs, states),
        {error: tuple(ids) for error, ids in errors.items()},
    )


def _order(key: RunKey) -> tuple[float, int, int]:
    return shots_order(key.shots), key.split_seed, key.seed


def _seconds(record: RunRecord) -> float:
    return sum(record.seconds.values())


def _left(runs: Mapping[RunKey, RunRecord | None], states: Mapping[RunKey, str]) -> float | None:
    """A run is taken to need what done runs of its method and shots did on average; else those of its
    method, else all."""
    took: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for key, record in runs.items():
        if record is not None and states[key] == DONE:
            for alike in _alike(key):
                took[alike].append(_seconds(record))
    if not took:
        return None
    work = 0.0
    for key, record in runs.items():
        if states[key] in (DONE, FAILED):
            continue
        needs = next(_mean(took[alike]) for alike in _alike(key) if alike in took)
        if record is not None and states[key] == RUNNING:
            needs = max(0.0, needs - (time.time() - record.started))
        work += needs
    return work / max(1, sum(state == RUNNING for state in states.values()))


def _alike(key: RunKey) -> tuple[tuple[str, ...], ...]:
    return (key.method, key.shots), (key.method,), ()


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values)
