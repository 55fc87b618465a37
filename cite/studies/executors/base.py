"""What executors of a study share: tasks, events, how work is named and called."""

from __future__ import annotations

import importlib
import sys
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from cite.errors import ConfigError, DataError
from cite.studies.claims import claim
from cite.studies.description import Study
from cite.studies.record import DONE, FAILED, SKIPPED, RunRecord, read_record

STATES = (DONE, FAILED, SKIPPED)
Work = Callable[[str, str], str]


@dataclass(frozen=True)
class Task:
    """One run to do.

    Attributes:
        study: Folder of the study; made absolute, since workers may stand elsewhere.
        run_id: Of the run, as `str(RunKey)`.
        group: Tasks of one group share a model, and go to one worker where that costs nothing.
    """

    study: str
    run_id: str
    group: str = ''

    def __post_init__(self) -> None:
        object.__setattr__(self, 'study', str(Path(self.study).absolute()))


@dataclass(frozen=True)
class Started:
    """A worker has taken a run."""

    run_id: str
    worker: str


@dataclass(frozen=True)
class Finished:
    """A run has ended as 'done', 'failed' or 'skipped' (another process works on it)."""

    run_id: str
    state: str


@dataclass(frozen=True)
class Lost:
    """A worker died with a run, which is given out again, or given up and reported as failed next."""

    run_id: str
    worker: str
    why: str


Event = Started | Finished | Lost
OnEvent = Callable[[Event], None]


class Executor(Protocol):
    """A place where runs are done."""

    def run(self, tasks: Sequence[Task], work: str, on_event: OnEvent) -> None:
        """Does all tasks; returns when each has finished.

        Args:
            tasks: All of one study.
            work: 'module:function' of signature `(study: str, run_id: str) -> state`, importable where
                workers are. It takes the run's claim, records its errors and raises none of them.
            on_event: Told what happens, in this process and thread.

        Raises:
            ConfigError, DataError: The place cannot be used as asked.
            KeyboardInterrupt: Workers have been stopped; what they worked on can be resumed.
        """


def check_whole(value: object, what: str) -> None:
    """Raises `ConfigError` where an option is no whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise ConfigError(f'{what} must be a whole number from 1, found {value!r}')


def load_work(work: str) -> Work:
    """The function that 'module:function' names.

    Raises:
        ConfigError: There is no such module or function.
    """
    module, _, name = work.partition(':')
    try:
        function: Work = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f'work {work!r} cannot be imported ({error}); expected module:function'
        ) from error
    return function


def call_work(function: Work, task: Task) -> str:
    """Does one run here; whatever it raises against its promise becomes the error of that run."""
    try:
        state = function(task.study, task.run_id)
        if state not in STATES:
            raise ValueError(f'work returned {state!r}, expected one of {", ".join(STATES)}')
        return state
    except Exception as error:
        traceback.print_exc(file=sys.stderr)  # the worker's log
        first = next(iter(str(error).splitlines()), '')
        try:
            return record_failure(task, f'{type(error).__name__}: {first}')
        except DataError:  # the study was changed, and has no such run any more
            return FAILED


def record_failure(task: Task, error: str) -> str:
    """Writes a run's record as failed, unless another process works on it.

    Args:
        error: One line.

    Returns:
        'failed', or 'skipped' where the run is another's.

    Raises:
        DataError: The study has no such run.
    """
    study = Path(task.study)
    runs = Study.load(study).runs()
    key = {str(key): key for key in runs}.get(task.run_id)
    if key is None:
        raise DataError(f'{study}: the study has no run {task.run_id!r}')
    with claim(key.folder(study)) as ours:
        if not ours:
            return SKIPPED
        record = read_record(study, key) or RunRecord(key, digest='', state=FAILED)
        replace(record, state=FAILED, error=error).write(study)
    return FAILED


def log_folder(tasks: Sequence[Task]) -> Path:
    """`logs` of the study, made where it is missing."""
    folder = Path(tasks[0].study) / 'logs'
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def by_group(tasks: Iterable[Task]) -> list[Task]:
    """Tasks with those of one group beside each other, groups in the order of their first task."""
    groups: dict[str, list[Task]] = {}
    for task in tasks:
        groups.setdefault(task.group, []).append(task)
    return [task for group in groups.values() for task in group]
