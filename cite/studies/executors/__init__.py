"""Where the runs of a study are done: one file per place."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from cite.errors import ConfigError
from cite.registry import check_options
from cite.studies.executors.base import Event, Executor, Finished, Lost, Started, Task

__all__ = ['EXECUTORS', 'Event', 'Executor', 'Finished', 'Lost', 'Started', 'Task', 'get_executor']

# name → module and class; imported when it is asked for, since some bring packages of their own
EXECUTORS = {
    'local': ('cite.studies.executors.local', 'LocalExecutor'),
    'ray': ('cite.studies.executors.ray_cluster', 'RayExecutor'),
    'slurm': ('cite.studies.executors.slurm', 'SlurmExecutor'),
}


def get_executor(name: str, **options: Any) -> Executor:
    """An executor by name.

    Args:
        name: 'local', 'ray' or 'slurm'.
        **options: Of that executor, see its class.

    Raises:
        ConfigError: No such executor, an option it does not take or a value that cannot be; or its
            package is missing.
    """
    if name not in EXECUTORS:
        raise ConfigError(f'there is no executor {name!r}; known: {", ".join(EXECUTORS)}')
    module, cls_name = EXECUTORS[name]
    cls = getattr(import_module(module), cls_name)
    check_options(f'executor {name}', cls, options)
    executor: Executor = cls(**options)
    return executor
