"""What becomes of runs whose worker died: given out again a few times, then recorded as failed."""

from __future__ import annotations

from collections import Counter

from cite.errors import ConfigError, DataError
from cite.studies.executors.base import Finished, Lost, OnEvent, Task, record_failure
from cite.studies.record import FAILED


class Losses:
    """Counts how often each run was lost.

    Args:
        retries: How often a lost run is given out again, 0 or more.
        on_event: Told of every loss, and of runs that are given up.
    """

    def __init__(self, retries: int, on_event: OnEvent) -> None:
        if retries < 0:
            raise ConfigError(f'retries must be 0 or more, found {retries}')
        self.retries = retries
        self.on_event = on_event
        self._times: Counter[str] = Counter()

    def again(self, task: Task, worker: str, why: str) -> bool:
        """Notes a loss; whether the run is to be given out again, else it is recorded as failed."""
        self._times[task.run_id] += 1
        times = self._times[task.run_id]
        self.on_event(Lost(task.run_id, worker, why))
        if times <= self.retries:
            return True
        count = f'{times} time{"s" if times > 1 else ""}'
        try:
            state = record_failure(task, f'the worker died {count}: {why}')
        except DataError:  # the study was changed, and has no such run any more
            state = FAILED
        self.on_event(Finished(task.run_id, state))
        return False
