"""The process behind a local worker: a task comes as a line of JSON, and its state goes back as one.

It imports the work once and then does task after task, so that libraries and models stay warm. What the
work prints goes to the log; the channel is kept apart from it. Where the parent ends, however it does, the
input closes, and the worker ends with all processes that it started: none is left behind.
"""

from __future__ import annotations

import faulthandler
import json
import os
import signal
import sys
from queue import SimpleQueue
from threading import Thread
from typing import Any, TextIO

from cite.studies.executors.base import Task, call_work, load_work

READY, STATE = 'ready', 'state'


def main(work: str) -> None:
    """Works until a line says `null`. Run by `local_worker.LocalWorker`, as leader of its own session."""
    inbox, outbox = _channel()
    faulthandler.enable()
    tasks: SimpleQueue[Any] = SimpleQueue()
    Thread(target=_listen, args=(inbox, tasks), daemon=True).start()
    function = load_work(work)
    _say(outbox, READY, os.getpid())
    while (task := tasks.get()) is not None:
        _say(outbox, STATE, call_work(function, Task(**task)))


def _channel() -> tuple[TextIO, TextIO]:
    """Input and output as they were; in their place come nothing and the log."""
    inbox, outbox = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), 'w')
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return inbox, outbox


def _listen(inbox: TextIO, tasks: SimpleQueue[Any]) -> None:
    for line in inbox:
        task = json.loads(line)
        tasks.put(task)
        if task is None:
            return
    print('the study that this worker belongs to has ended; so does the worker', file=sys.stderr)
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGKILL)
    os._exit(1)


def _say(outbox: TextIO, what: str, value: Any) -> None:
    outbox.write(json.dumps({what: value}) + '\n')
    outbox.flush()
