"""Runs as Slurm jobs: arrays of jobs that do a few runs each, submitted through submitit."""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cite.errors import ConfigError
from cite.studies.executors.base import (
    Finished,
    OnEvent,
    Started,
    Task,
    by_group,
    check_whole,
    load_work,
)
from cite.studies.executors.losses import Losses
from cite.studies.executors.slurm_chunk import STARTED, Chunk, Journal

CLUSTERS = ('slurm', 'local', 'debug')


class SlurmExecutor:
    """Jobs of an array, whose scripts, output and results lie in `<study>/slurm`.

    Args:
        partition: Of the cluster; None for its default.
        time: Minutes that a job may take; a job that runs out of it is queued again with what is left.
        gpus_per_node: GPUs of a job, whose runs are done one after the other.
        cpus: CPUs of a job, which also has so many threads.
        mem_gb: Memory of a job; None for the cluster's default.
        parallel: Jobs that run at one time, at the most.
        runs_per_job: Runs of one job. More keep a model loaded, and wait in the queue less often.
        setup: Lines of shell before the work: `module load …`, `source …/bin/activate`.
        extra: Further options of sbatch → values, such as {'account': 'pathology'}.
        wait: Report until all runs have ended; False submits and returns, and `cite.studies.status` tells
            how it goes.
        retries: How often a run whose job died is submitted again; only where `wait` is.
        interval: Seconds between looks at the jobs.
        cluster: 'slurm', or what submitit has for trying it out: 'local' (processes), 'debug' (in here).

    Raises:
        ConfigError: submitit or Slurm is missing, or a number that cannot be.
    """

    def __init__(
        self,
        partition: str | None = None,
        time: int = 240,
        gpus_per_node: int = 1,
        cpus: int = 8,
        mem_gb: float | None = None,
        parallel: int = 64,
        runs_per_job: int = 8,
        setup: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
        wait: bool = True,
        retries: int = 2,
        interval: float = 5.0,
        cluster: str = 'slurm',
    ) -> None:
        for name, value in dict(
            time=time, cpus=cpus, parallel=parallel, runs_per_job=runs_per_job
        ).items():
            check_whole(value, f'executor slurm: {name}')
        if cluster not in CLUSTERS:
            raise ConfigError(
                f'executor slurm: no cluster {cluster!r}; known: {", ".join(CLUSTERS)}'
            )
        if isinstance(setup, str):
            setup = [setup]
        _submitit()
        self.parameters = {
            'name': 'cite',
            'timeout_min': time,
            'gpus_per_node': gpus_per_node,
            'cpus_per_task': cpus,
            'mem_gb': mem_gb,
            'slurm_partition': partition,
            'slurm_array_parallelism': parallel,
            'slurm_setup': [
                f'export OMP_NUM_THREADS={cpus}',  # PyTorch's own guess would be the cores of the node
                f'export SRUN_CPUS_PER_TASK={cpus}',  # since 22.05 srun does not take it from sbatch
                *setup,
            ],
            'slurm_additional_parameters': dict(extra or {}) or None,
        }
        self.runs_per_job = runs_per_job
        self.wait = wait
        self.retries = retries
        self.interval = interval
        self.cluster = cluster

    def run(self, tasks: Sequence[Task], work: str, on_event: OnEvent) -> None:
        """As `Executor.run`; returns after submission where `wait` is False."""
        if not tasks:
            return
        load_work(work)
        losses = Losses(self.retries, on_event)
        submitted = self._submit(by_group(tasks), work)
        if not self.wait:
            return
        try:
            while submitted:
                ended = [each for each in submitted if each.job.done()]
                for each in submitted:
                    each.report(on_event)
                again = [task for each in ended for task in each.lost(losses)]
                submitted = [each for each in submitted if each not in ended]
                if again:
                    submitted += self._submit(again, work)
                elif submitted and not ended:
                    time.sleep(self.interval)
        except BaseException:
            for each in submitted:
                each.job.cancel(check=False)
            raise

    def _submit(self, tasks: Sequence[Task], work: str) -> list[_Submitted]:
        submitit = _submitit()
        if self.cluster == 'slurm':
            for program in ('sbatch', 'srun'):
                if shutil.which(program) is None:
                    raise ConfigError(
                        f'executor slurm: there is no {program!r} here; submit from a login node of '
                        'the cluster'
                    )
        folder = Path(tasks[0].study) / 'slurm'
        executor = submitit.AutoExecutor(folder=folder, cluster=self.cluster)
        executor.update_parameters(**self.parameters)
        chunks = []
        for first in range(0, len(tasks), self.runs_per_job):
            journal = folder / f'{uuid.uuid4().hex[:12]}.jsonl'
            chunks.append(Chunk(tasks[first : first + self.runs_per_job], work, str(journal)))
        try:
            with executor.batch():
                jobs = [executor.submit(chunk) for chunk in chunks]
        except RuntimeError as error:  # of submitit: what sbatch said
            raise ConfigError(f'the jobs of the study cannot be submitted: {error}') from error
        return [_Submitted(job, chunk) for job, chunk in zip(jobs, chunks, strict=True)]


@dataclass(eq=False)
class _Submitted:
    """A job and what is known of its runs."""

    job: Any
    chunk: Chunk

    def __post_init__(self) -> None:
        self._journal = Journal(Path(self.chunk.journal))
        self._left = {task.run_id: task for task in self.chunk.tasks}
        self._at: tuple[str, str] | None = None  # run and worker

    def report(self, on_event: OnEvent) -> None:
        """Events since the last call."""
        for what, run_id, value in self._journal.news():
            if what == STARTED:
                self._at = (run_id, value)
                on_event(Started(run_id, value))
            else:
                self._at = None
                if self._left.pop(run_id, None) is not None:
                    on_event(Finished(run_id, value))

    def lost(self, losses: Losses) -> list[Task]:
        """Runs to submit again, of a job that has ended.

        Only the run that the job died with counts as lost; those behind it did not have their turn. A job
        that died before its first run counts against all of them, or it would be submitted for ever.
        """
        if not self._left:
            return []
        why = f'job {self.job.job_id} ended as {self.job.state}, see {self.job.paths.stderr}'
        guilty = {self._at[0]} if self._at else set(self._left)
        worker = self._at[1] if self._at else f'job {self.job.job_id}'
        return [
            task
            for run_id, task in self._left.items()
            if run_id not in guilty or losses.again(task, worker, why)
        ]


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise ConfigError(
            "executor slurm needs the package submitit: pip install 'cite-pathology[slurm]'"
        ) from error
    return submitit
