"""Runs on this machine: processes that import once and do many runs, spread over GPUs or cores."""

from __future__ import annotations

from collections.abc import Sequence

from cite.errors import ConfigError
from cite.studies.executors.base import (
    Finished,
    OnEvent,
    Started,
    Task,
    by_group,
    call_work,
    check_whole,
    load_work,
)
from cite.studies.executors.local_pool import LocalPool
from cite.studies.executors.machine import cores, visible_gpus, worker_env


class LocalExecutor:
    """Workers on this machine, whose output goes to `<study>/logs/worker-N.log`.

    Args:
        workers: Processes; by default GPUs × `runs_per_gpu`, or, without a GPU, cores // `threads`.
        gpus: GPUs to use, as CUDA_VISIBLE_DEVICES names them; by default all that are visible, () for none.
        runs_per_gpu: Workers that share a GPU; their memory must fit together, which is not looked at.
        threads: Of each worker; by default cores // workers, and 4 where `workers` is to follow from it.
        retries: How often a run whose worker died is begun again.
        inline: Do everything in this process, for debugging.

    Raises:
        ConfigError: A number below 1, or `inline` with several workers.
    """

    def __init__(
        self,
        workers: int | None = None,
        gpus: Sequence[int | str] | int | str | None = None,
        runs_per_gpu: int = 1,
        threads: int | None = None,
        retries: int = 2,
        inline: bool = False,
    ) -> None:
        for name, value in dict(
            workers=workers, runs_per_gpu=runs_per_gpu, threads=threads
        ).items():
            if value is not None:
                check_whole(value, f'executor local: {name}')
        if isinstance(gpus, int | str):  # one, as a flag gives it
            gpus = (gpus,)
        if inline and workers not in (None, 1):
            raise ConfigError(f'executor local: inline means one worker, found workers={workers}')
        self.inline = inline
        self.retries = retries
        self.gpus = () if inline else visible_gpus() if gpus is None else tuple(map(str, gpus))
        default = len(self.gpus) * runs_per_gpu or max(1, cores() // (threads or 4))
        self.workers = 1 if inline else workers or default
        self.threads = threads or max(1, cores() // self.workers)

    def run(self, tasks: Sequence[Task], work: str, on_event: OnEvent) -> None:
        """As `Executor.run`."""
        if not tasks:
            return
        function = load_work(work)
        if self.inline:
            for task in by_group(tasks):
                on_event(Started(task.run_id, 'inline'))
                on_event(Finished(task.run_id, call_work(function, task)))
            return
        # threads follow from the plan, not from what is left, so that a resumed study computes alike
        envs = [
            worker_env(self.threads, self.gpus[number % len(self.gpus)] if self.gpus else None)
            for number in range(self.workers)
        ]
        pool = LocalPool(envs, tasks, work, self.retries, on_event)
        try:
            pool.work_off()
        except BaseException:
            pool.stop()
            raise
        pool.dismiss()
