"""Actors of a Ray cluster at the tasks of a study: as many as fit, fed one run at a time, replaced."""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import RayError, RayTaskError

from cite.atomic import write_text
from cite.errors import ConfigError, DataError
from cite.studies.executors.base import Finished, OnEvent, Started, Task, log_folder
from cite.studies.executors.losses import Losses
from cite.studies.executors.ray_worker import Greeting, RayWorker
from cite.studies.executors.waiting import Waiting

POLL = 2.0  # seconds between looks at the cluster, which may have grown
STARTS = 3  # workers in a row that die before they can work
SHARED = 5.0  # seconds that a file may take from a node to this one


@dataclass(eq=False)
class Actor:
    """A worker as its study sees it; `greeting` is None until it is up."""

    handle: Any
    greeting: Greeting | None = None
    task: Task | None = None
    group: str | None = None


class RayPool:
    """Workers of one call of `RayExecutor.run`; arguments as there, all settled."""

    def __init__(
        self,
        tasks: Sequence[Task],
        work: str,
        retries: int,
        on_event: OnEvent,
        cpus: float,
        gpus: float,
        most: int | None,
    ) -> None:
        self.study = tasks[0].study
        self.work, self.on_event = work, on_event
        self.cpus, self.gpus, self.most = cpus, gpus, most
        self.waiting = Waiting(tasks)
        self.left = len(tasks)
        self.losses = Losses(retries, on_event)
        self.actors: list[Actor] = []
        self.pending: dict[Any, Actor] = {}  # what an answer is awaited of
        self.failed_starts = 0
        self.node = ray.get_runtime_context().get_node_id()
        self.token = uuid.uuid4().hex
        self.probe = log_folder(tasks) / f'.probe-{self.token[:8]}'

    def work_off(self) -> None:
        """Until no task is left; see `RayExecutor.run` for errors."""
        write_text(self.probe, self.token)
        while self.left:
            self._man()
            self._feed()
            answered, _ = ray.wait(list(self.pending), num_returns=1, timeout=POLL)
            for reference in answered:
                actor = self.pending.pop(reference)
                try:
                    answer = ray.get(reference)
                except RayError as error:
                    self._died(actor, error)
                else:
                    self._heard(actor, answer)

    def stop(self) -> None:
        """Ends all workers, idle or not."""
        for actor in self.actors:
            ray.kill(actor.handle)
        for left in self.probe.parent.glob(f'{self.probe.name}*'):
            left.unlink(missing_ok=True)

    def _man(self) -> None:
        alive = alive_nodes()
        if self.node not in {node['NodeID'] for node in alive}:
            # what this process asks of Ray from now on would never be answered
            raise ConfigError(
                'the Ray node of this machine has died, and workers with it; begin it again (ray start), '
                'then start the study again: what is done stays'
            )
        room = sum(slots(node['Resources'], self.cpus, self.gpus) for node in alive)
        # a cluster that grows on demand has no room yet: there, the number of workers has to be said
        if not room and not self.actors and self.most is None:
            raise ConfigError(
                f'no node of the Ray cluster has the {self.cpus:g} CPU and {self.gpus:g} GPU of a run; '
                f'they have {_have()}. Lower cpus_per_run or gpus_per_run, or, on a cluster that grows '
                'on demand, say how many workers'
            )
        wanted = min(self.left, room if self.most is None else self.most)
        remote = ray.remote(num_cpus=self.cpus, num_gpus=self.gpus, max_restarts=0)(RayWorker)
        while len(self.actors) < wanted:
            actor = Actor(remote.remote(self.work))
            self.actors.append(actor)
            self.pending[actor.handle.greet.remote(str(self.probe), self.token)] = actor

    def _feed(self) -> None:
        for actor in self.actors:
            if actor.greeting is None or actor.task is not None:
                continue
            busy = [other.task.group for other in self.actors if other.task is not None]
            task = self.waiting.take(actor.group, busy)
            if task is None:
                return
            actor.task, actor.group = task, task.group
            self.pending[actor.handle.do.remote(task)] = actor
            self.on_event(Started(task.run_id, actor.greeting.name))

    def _heard(self, actor: Actor, answer: Greeting | str) -> None:
        self.failed_starts = 0
        if isinstance(answer, Greeting):
            self._check_shared(answer)
            actor.greeting = answer
        elif actor.task is not None:
            self.left -= 1
            task, actor.task = actor.task, None
            self.on_event(Finished(task.run_id, answer))

    def _died(self, actor: Actor, error: RayError) -> None:
        self.actors.remove(actor)
        ray.kill(actor.handle)
        why = _reason(error)
        if actor.greeting is None:
            self.failed_starts += 1
            if isinstance(error, RayTaskError) or self.failed_starts >= STARTS:
                raise ConfigError(
                    f'workers on the Ray cluster die before they can work ({why}); its nodes need the same '
                    'cite, and the same Python, as this one'
                ) from error
        elif actor.task is not None:
            if self.losses.again(actor.task, actor.greeting.name, why):
                self.waiting.put(actor.task)
            else:
                self.left -= 1

    def _check_shared(self, greeting: Greeting) -> None:
        until = time.monotonic() + SHARED
        while greeting.answer is not None:
            if Path(greeting.answer).is_file():
                return
            if time.monotonic() > until:
                break
            time.sleep(0.1)
        how = (
            'cannot read and write there'
            if greeting.answer is None
            else 'wrote what is not seen here'
        )
        raise DataError(
            f'node {greeting.node} of the Ray cluster does not share {self.study} with this machine: it '
            f'{how}. The folder of a study must lie on a file system that all nodes have under one path'
        )


def alive_nodes() -> list[dict[str, Any]]:
    """Nodes that are up, as `ray.nodes` describes them."""
    return [node for node in ray.nodes() if node['Alive']]


def slots(resources: dict[str, float], cpus: float, gpus: float) -> int:
    """How many runs a node has room for."""
    fits = [int(resources.get('CPU', 0) / cpus + 1e-6)]
    if gpus >= 1:
        fits.append(int(resources.get('GPU', 0) / gpus + 1e-6))
    elif gpus > 0:  # a run does not straddle two GPUs
        fits.append(int(resources.get('GPU', 0)) * int(1 / gpus + 1e-6))
    return min(fits)


def _have() -> str:
    return ', '.join(
        f'{node["Resources"].get("CPU", 0):g} CPU and {node["Resources"].get("GPU", 0):g} GPU'
        for node in alive_nodes()
    )


def _reason(error: RayError) -> str:
    """One line: the end of a traceback, else the line that says what died."""
    text = re.sub(r'\x1b\[[\d;]*m', '', str(error))  # Ray colours its messages
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if any(line.startswith('Traceback') or line.startswith('File "') for line in lines):
        return lines[-1]
    said = next((line for line in lines if 'because' in line), [*lines, 'no reason given'][0])
    return f'{type(error).__name__}: {said.partition(" Some common causes")[0]}'
