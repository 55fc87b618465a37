"""What one Slurm job does: a few runs, one after the other, reported to a file that the study reads."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cite.studies.executors.base import Task, call_work, load_work

STARTED, ENDED = 'started', 'ended'


class Chunk:
    """Runs of one job; called on the node by submitit, which pickles it.

    Args:
        tasks: In order.
        work: 'module:function'.
        journal: File to which a line of JSON is added when a run starts and when it ends.
    """

    def __init__(self, tasks: Sequence[Task], work: str, journal: str) -> None:
        self.tasks = list(tasks)
        self.work = work
        self.journal = journal
        self._at = 0

    def __call__(self) -> None:
        """All runs."""
        function = load_work(self.work)
        worker = f'{socket.gethostname()}-{os.getpid()}'
        for self._at, task in enumerate(self.tasks):  # noqa: B020 - kept for `checkpoint`
            self._note(STARTED, task.run_id, worker)
            self._note(ENDED, task.run_id, call_work(function, task))

    def checkpoint(self) -> Any:
        """What is left, when Slurm takes the node back or time is up: submitit queues it again."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(Chunk(self.tasks[self._at :], self.work, self.journal))

    def _note(self, what: str, run_id: str, value: str) -> None:
        # a line is far below what a file system writes in one piece, and one job at a time writes here
        with Path(self.journal).open('a', encoding='utf-8') as file:
            file.write(json.dumps({what: run_id, 'value': value}) + '\n')


class Journal:
    """Reads what chunks noted, a piece at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read = 0

    def news(self) -> list[tuple[str, str, str]]:
        """Lines since the last call: 'started' with run and worker, 'ended' with run and state."""
        try:
            with self.path.open('rb') as file:
                file.seek(self._read)
                text = file.read()
        except FileNotFoundError:
            return []
        whole = text[: text.rfind(b'\n') + 1]  # the last line may be on its way
        self._read += len(whole)
        found = []
        for line in whole.decode('utf-8').splitlines():
            note = json.loads(line)
            what = STARTED if STARTED in note else ENDED
            found.append((what, note[what], note['value']))
        return found
