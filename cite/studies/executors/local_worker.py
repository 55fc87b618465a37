"""A worker process of this machine, as its study sees it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any

from cite.studies.executors.base import Task
from cite.studies.executors.worker import READY, STATE

_START = (
    'import json, sys; sys.path[:] = json.loads(sys.argv[1]); '
    'from cite.studies.executors.worker import main; main(sys.argv[2])'
)


class LocalWorker:
    """Starts the process; what it says comes to `inbox` as (worker, message), None at its end.

    Args:
        number: From 0; names the worker and its log.
        work: 'module:function'.
        env: Environment of the process.
        logs: Folder of logs; `worker-N.log` is appended to.
        inbox: Of all workers.
    """

    def __init__(
        self, number: int, work: str, env: Mapping[str, str], logs: Path, inbox: SimpleQueue[Any]
    ) -> None:
        self.number = number
        self.name = f'worker-{number}'
        self.log = logs / f'{self.name}.log'
        self.ready = False
        self.task: Task | None = None
        self.group: str | None = None
        self._inbox = inbox
        with self.log.open('ab') as log:
            # a session of its own: Ctrl-C reaches the study only, which then stops the whole group,
            # with the loaders of images that the work started
            self._process = subprocess.Popen(
                [sys.executable, '-u', '-c', _START, json.dumps(sys.path), work],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=dict(env),
                text=True,
                start_new_session=True,
            )
        Thread(target=self._listen, daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the process, which leads a process group of that number."""
        return self._process.pid

    def give(self, task: Task) -> None:
        """Has it begin a run; it must be idle."""
        self.task, self.group = task, task.group
        self._send(asdict(task))

    def heard(self, message: Mapping[str, Any]) -> str | None:
        """Takes note of a message; the state of the run that has ended by it, if one has."""
        self.ready = self.ready or READY in message
        if STATE not in message:
            return None
        self.task = None
        return str(message[STATE])

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def bury(self) -> str:
        """Ends what is left of it and its children; how it died, in words."""
        with suppress(
            subprocess.TimeoutExpired
        ):  # its output closes a moment before it ends by itself
            self._process.wait(0.0 if self.task is None else 2.0)
        self.signal(signal.SIGKILL)
        code = self._process.wait()
        self._close()
        how = f'killed by {signal.Signals(-code).name}' if code < 0 else f'exit code {code}'
        return f'{how}, see {self.log}'

    def dismiss(self) -> None:
        """Asks an idle worker to end."""
        self._send(None)

    def wait(self, seconds: float) -> None:
        """Waits for its end, which comes by force where the time is up."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(0.0, seconds))
        self.bury()

    def signal(self, number: signal.Signals) -> None:
        """To the process and all that it started."""
        with suppress(
            ProcessLookupError, PermissionError
        ):  # macOS: the latter where only zombies are left
            os.killpg(self.pid, number)

    def _send(self, message: Any) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has died: the inbox will tell
            self._process.stdin.write(json.dumps(message) + '\n')
            self._process.stdin.flush()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines, suppress(ValueError):  # a line cut off by its death
            for line in lines:
                self._inbox.put((self, json.loads(line)))
        self._inbox.put((self, None))

    def _close(self) -> None:
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
