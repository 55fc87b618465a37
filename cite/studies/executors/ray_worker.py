"""A worker on a node of a Ray cluster: an actor that imports once and does run after run."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path

from cite.studies.executors.base import Task, call_work, load_work


@dataclass(frozen=True)
class Greeting:
    """What a worker says when it is up.

    Attributes:
        name: Node and process.
        node: Host name.
        answer: File that it wrote beside the probe; None where it cannot read the probe, or not write.
    """

    name: str
    node: str
    answer: str | None


class RayWorker:
    """The class behind the actor; one process, which keeps its GPU.

    Args:
        work: 'module:function'.
    """

    def __init__(self, work: str) -> None:
        self.function = load_work(work)

    def greet(self, probe: str, token: str) -> Greeting:
        """Reads a file of the study and writes one; from then on, output goes to the logs."""
        node = socket.gethostname()
        name = f'{node}-{os.getpid()}'
        answer = f'{probe}-{name}'
        try:
            if Path(probe).read_text(encoding='utf-8') != token:
                return Greeting(name, node, None)
            Path(answer).write_text(token, encoding='utf-8')
            # not before: the path would be made on a node that does not share it
            with (Path(probe).parent / f'ray-{name}.log').open('ab') as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
        except OSError:
            return Greeting(name, node, None)
        return Greeting(name, node, answer)

    def do(self, task: Task) -> str:
        """One run; its state."""
        return call_work(self.function, task)
