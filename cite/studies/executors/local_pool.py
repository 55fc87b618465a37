"""Workers of this machine at the tasks of a study: fed, replaced when they die, stopped when it ends."""

from __future__ import annotations

import signal
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from typing import Any

from cite.errors import ConfigError
from cite.studies.executors.base import Finished, OnEvent, Started, Task, log_folder
from cite.studies.executors.local_worker import LocalWorker
from cite.studies.executors.losses import Losses
from cite.studies.executors.waiting import Waiting

POLL = 0.5  # seconds between looks at workers that say nothing
GRACE = 3.0  # seconds that a stopped worker has until it is killed
STARTS = 3  # of a worker that dies before it can work


class LocalPool:
    """One worker per environment, or fewer where there are fewer tasks.

    Args:
        envs: Environments of workers.
        tasks: One or more.
        work: 'module:function'.
        retries: How often a lost run is given out again.
        on_event: See `Executor.run`.
    """

    def __init__(
        self,
        envs: Sequence[Mapping[str, str]],
        tasks: Sequence[Task],
        work: str,
        retries: int,
        on_event: OnEvent,
    ) -> None:
        self.envs, self.work, self.on_event = envs, work, on_event
        self.logs = log_folder(tasks)
        self.waiting = Waiting(tasks)
        self.left = len(tasks)
        self.losses = Losses(retries, on_event)
        self.inbox: SimpleQueue[Any] = SimpleQueue()
        self.workers: dict[int, LocalWorker] = {}
        self.failed_starts: Counter[int] = Counter()
        self.proven = False  # that workers can start at all

    def work_off(self) -> None:
        """Until no task is left.

        Raises:
            ConfigError: No worker lives long enough to work.
        """
        while self.left:
            self._man()
            self._feed()
            try:
                worker, message = self.inbox.get(timeout=POLL)
            except Empty:
                # a child of a dead worker may hold its output open; without it, the inbox tells
                for silent in self.workers.values():
                    if not silent.is_alive():
                        silent.signal(signal.SIGKILL)
                continue
            if message is None:
                self._died(worker)
                continue
            self.proven = True
            task, state = worker.task, worker.heard(message)
            if state is not None and task is not None:
                self.left -= 1
                self.on_event(Finished(task.run_id, state))

    def dismiss(self) -> None:
        """Ends idle workers."""
        for worker in self.workers.values():
            worker.dismiss()
        self._wait()

    def stop(self) -> None:
        """Ends workers in the middle of their runs."""
        for worker in self.workers.values():
            worker.signal(signal.SIGTERM)
        self._wait()

    def _man(self) -> None:
        """Starts workers that are missing."""
        for number, env in enumerate(self.envs):
            if len(self.workers) >= self.left:
                return
            if number not in self.workers and self.failed_starts[number] < STARTS:
                self.workers[number] = LocalWorker(number, self.work, env, self.logs, self.inbox)

    def _feed(self) -> None:
        """Gives tasks to idle workers."""
        for worker in self.workers.values():
            if not worker.ready or worker.task is not None:
                continue
            busy = [other.task.group for other in self.workers.values() if other.task is not None]
            task = self.waiting.take(worker.group, busy)
            if task is None:
                return
            worker.give(task)
            self.on_event(Started(task.run_id, worker.name))

    def _died(self, worker: LocalWorker) -> None:
        """Gives its run out again, or gives it up."""
        del self.workers[worker.number]
        why = worker.bury()
        if not worker.ready:
            self.failed_starts[worker.number] += 1
            alike = not self.proven and self.failed_starts.total() >= STARTS
            each = all(self.failed_starts[number] >= STARTS for number in range(len(self.envs)))
            if alike or (each and not self.workers):
                raise ConfigError(f'workers die before they can work: {why}')
        if worker.task is None:
            return
        if self.losses.again(worker.task, worker.name, why):
            self.waiting.put(worker.task)
        else:
            self.left -= 1

    def _wait(self) -> None:
        until = time.monotonic() + GRACE
        for worker in self.workers.values():
            worker.wait(until - time.monotonic())
