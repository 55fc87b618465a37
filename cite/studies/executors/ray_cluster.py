"""Runs on a Ray cluster that is up already, whose nodes share the folder of the study."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from typing import Any

from cite.errors import ConfigError
from cite.studies.executors.base import OnEvent, Task, check_whole, load_work


class RayExecutor:
    """Actors that each hold the CPUs and the part of a GPU that a run needs, as many as the cluster fits.

    An actor does run after run, so models stay loaded; Ray's own tasks would, on a GPU, begin a new process
    for each. At most one run is with an actor, so nothing queues up on a slow node. Lost runs are counted
    here, not by Ray (`max_restarts=0`), so that each loss is seen and none goes on for ever. Output goes to
    `<study>/logs/ray-NODE-PID.log`.

    Args:
        address: Of the cluster; None for the one that this machine is a node of (or `RAY_ADDRESS`).
        cpus_per_run: CPUs of a run, which also has so many threads.
        gpus_per_run: GPUs of a run. 0.5 has two share one; their memory must fit together, which Ray does
            not look at. None: one, where the cluster has any.
        workers: Actors at the most; None for as many as fit.
        retries: How often a run whose worker or node died is given out again.

    Raises:
        ConfigError: Ray is missing, or a number that cannot be.
    """

    def __init__(
        self,
        address: str | None = None,
        cpus_per_run: float = 1,
        gpus_per_run: float | None = None,
        workers: int | None = None,
        retries: int = 2,
    ) -> None:
        if cpus_per_run <= 0:
            raise ConfigError(f'executor ray: cpus_per_run must be above 0, found {cpus_per_run}')
        if gpus_per_run is not None and (
            gpus_per_run < 0 or (gpus_per_run > 1 and gpus_per_run % 1)
        ):
            raise ConfigError(
                'executor ray: gpus_per_run must be a part of one GPU or a whole number, '
                f'found {gpus_per_run}'
            )
        if workers is not None:
            check_whole(workers, 'executor ray: workers')
        _ray()
        self.address = address
        self.cpus_per_run = cpus_per_run
        self.gpus_per_run = gpus_per_run
        self.workers = workers
        self.retries = retries

    def run(self, tasks: Sequence[Task], work: str, on_event: OnEvent) -> None:
        """As `Executor.run`.

        Raises:
            ConfigError: No cluster answers, none of its nodes is large enough for a run, or its nodes lack
                the library.
            DataError: A node does not see the folder of the study.
        """
        if not tasks:
            return
        load_work(work)
        from cite.studies.executors.ray_pool import RayPool

        ray = _ray()
        own = not ray.is_initialized()
        if own:
            _connect(ray, self.address)
        try:
            gpus = self.gpus_per_run
            if gpus is None:
                gpus = 1 if ray.cluster_resources().get('GPU', 0) else 0
            pool = RayPool(
                tasks, work, self.retries, on_event, self.cpus_per_run, gpus, self.workers
            )
            try:
                pool.work_off()
            finally:
                pool.stop()
        finally:
            if own:
                ray.shutdown()


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise ConfigError(
            "executor ray needs the package ray: pip install 'cite-pathology[ray]'"
        ) from error
    return ray


def _connect(ray: Any, address: str | None) -> None:
    # settings of ours that decide where data and caches lie; a node has its own environment otherwise
    variables = {name: value for name, value in os.environ.items() if name.startswith('CITE_')}
    try:
        _knock(address)
        ray.init(
            address=address or 'auto',
            log_to_driver=False,
            logging_level='error',
            runtime_env={'env_vars': variables} if variables else None,
        )
    except (OSError, RuntimeError, ValueError) as error:
        first = next(iter(str(error).splitlines()), '')
        raise ConfigError(
            f'no Ray cluster answers at {address or "auto"} ({first}); start one with `ray start --head`, '
            'add nodes with `ray start --address HEAD:6379`, and run this on one of them'
        ) from error


def _knock(address: str | None) -> None:
    """Raises `OSError` where nothing listens, which Ray would take minutes to find out."""
    host, _, port = (address or '').rpartition(':')
    if host and port.isdecimal() and '://' not in host:
        socket.create_connection((host, int(port)), timeout=5).close()
