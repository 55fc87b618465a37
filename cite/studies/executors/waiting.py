"""Tasks that wait for a worker, given out so that a worker stays with a model as long as it can."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from cite.studies.executors.base import Task


class Waiting:
    """A queue per group.

    Args:
        tasks: In the order in which they are to be done, within a group.
    """

    def __init__(self, tasks: Iterable[Task]) -> None:
        self._groups: dict[str, deque[Task]] = {}
        for task in tasks:
            self.put(task)

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def put(self, task: Task) -> None:
        """A task, behind the others of its group."""
        self._groups.setdefault(task.group, deque()).append(task)

    def take(self, last: str | None, others: Iterable[str] = ()) -> Task | None:
        """The next task of a worker; None where none waits.

        Args:
            last: Group of the worker's last task, which is preferred.
            others: Groups that other workers are at, which come after those that nobody is at. Where all
                are taken, the one with the most tasks is shared, so that no worker idles.
        """
        if not self._groups:
            return None
        taken = set(others)
        group = last if last in self._groups else None
        if group is None:
            group = next((name for name in self._groups if name not in taken), None)
        if group is None:
            group = max(self._groups, key=lambda name: len(self._groups[name]))
        task = self._groups[group].popleft()
        if not self._groups[group]:
            del self._groups[group]
        return task
